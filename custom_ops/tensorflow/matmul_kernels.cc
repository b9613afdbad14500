// CPU kernels of the integer matrix multiplications.

#include "kernels/dispatch.h"
#include "kernels/dynamic_matmul.h"
#include "kernels/gemm.h"
#include "op_weights.h"

namespace kerasopt {
namespace {

using absl::Status;
using tensorflow::OpKernel;
using tensorflow::OpKernelConstruction;
using tensorflow::OpKernelContext;
using tensorflow::Tensor;
using tensorflow::TensorShape;

class QuantizedMatMulOp : public OpKernel {
 public:
  explicit QuantizedMatMulOp(OpKernelConstruction* context) : OpKernel(context) {
    OP_REQUIRES_OK(context, GetZeroPointsAndRange(context, &range_));
    OP_REQUIRES_OK(context, GetKernelShape(context, 2, &kernel_shape_));
    OP_REQUIRES_OK(context, GetWeightFormat(context, &format_));
  }

  void Compute(OpKernelContext* context) override {
    const Tensor& x = context->input(kX);
    const int64_t depth = kernel_shape_[0], units = kernel_shape_[1];
    OP_REQUIRES(context, x.dims() >= 2 && x.dim_size(x.dims() - 1) == depth,
                InvalidArgument("x must have rank 2 or more and the last axis ", depth,
                                " to match kernel. Received: x.shape=", x.shape().DebugString()));
    std::shared_ptr<const PackedKernel> kernel;
    OP_REQUIRES_OK(context,
                   GetPackedKernel(context->input(kWeights), {1, 1, depth, units, format_},
                                   range_.input_zero_point, &cache_, &kernel));
    TensorShape shape = x.shape();
    shape.set_dim(x.dims() - 1, units);
    Tensor* y;
    OP_REQUIRES_OK(context, context->allocate_output(0, shape, &y));
    if (y->NumElements() == 0) return;
    QuantizedMatMul(x.flat<int8_t>().data(), x.NumElements() / depth, *kernel, range_.output,
                    y->flat<int8_t>().data(), DeviceThreads(context));
  }

 private:
  ZeroPointsAndRange range_;
  std::vector<int64_t> kernel_shape_;
  WeightFormat format_;
  Cache<PackedKernel> cache_;
};

class DynamicMatMulOp : public OpKernel {
 public:
  explicit DynamicMatMulOp(OpKernelConstruction* context) : OpKernel(context) {
    OP_REQUIRES_OK(context, GetKernelShape(context, 2, &kernel_shape_));
    OP_REQUIRES_OK(context, GetWeightFormat(context, &format_));
  }

  void Compute(OpKernelContext* context) override {
    const Tensor& x = context->input(kX);
    const int64_t depth = kernel_shape_[0], units = kernel_shape_[1];
    OP_REQUIRES(context, x.dims() >= 2 && x.dim_size(x.dims() - 1) == depth,
                InvalidArgument("x must have rank 2 or more and the last axis ", depth,
                                " to match kernel. Received: x.shape=", x.shape().DebugString()));
    std::shared_ptr<const DynamicKernel> kernel;
    OP_REQUIRES_OK(context, GetKernel(context->input(kWeights), {1, 1, depth, units, format_}, &kernel));
    TensorShape shape = x.shape();
    shape.set_dim(x.dims() - 1, units);
    Tensor* y;
    OP_REQUIRES_OK(context, context->allocate_output(0, shape, &y));
    if (y->NumElements() == 0) return;
    DynamicMatMul(x.flat<float>().data(), x.NumElements() / depth, *kernel, y->flat<float>().data(),
                  DeviceThreads(context));
  }

 private:
  Status GetKernel(const Tensor& tensor, const PackedShape& shape,
                   std::shared_ptr<const DynamicKernel>* kernel) {
    const KernelTable& kernels = Kernels();
    return cache_.Get(
        tensor, [&](const DynamicKernel& known) { return &known.kernels() == &kernels; },
        [&](std::shared_ptr<const DynamicKernel>* prepared) {
          Weights<float> weights;
          TF_RETURN_IF_ERROR(weights.Init(tensor, shape.bytes(), shape.columns));
          *prepared = std::make_shared<const DynamicKernel>(
              kernels, shape, weights.kernel(), weights.multiplier(), weights.bias());
          return absl::OkStatus();
        },
        kernel);
  }

  std::vector<int64_t> kernel_shape_;
  WeightFormat format_;
  Cache<DynamicKernel> cache_;
};

KERASOPT_REGISTER_CPU("KerasoptQuantizedMatMul", QuantizedMatMulOp);
KERASOPT_REGISTER_CPU("KerasoptDynamicMatMul", DynamicMatMulOp);

}  // namespace
}  // namespace kerasopt
