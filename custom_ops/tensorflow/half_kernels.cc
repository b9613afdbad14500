// CPU kernels of the products and convolutions with weights of 16 bits.

#include "kernels/half/half_matmul.h"
#include "op_weights.h"
#include "window_op.h"

namespace kerasopt {
namespace {

using tensorflow::OpKernel;
using tensorflow::OpKernelConstruction;
using tensorflow::OpKernelContext;
using tensorflow::Tensor;

class HalfMatMulOp : public OpKernel {
 public:
  explicit HalfMatMulOp(OpKernelConstruction* context) : OpKernel(context) {
    OP_REQUIRES_OK(context, GetKernelShape(context, 2, &kernel_shape_));
    OP_REQUIRES_OK(context, GetWeightFormat(context, true, &format_));
  }

  void Compute(OpKernelContext* context) override {
    const int64_t depth = kernel_shape_[0], units = kernel_shape_[1];
    std::shared_ptr<const HalfKernel> kernel;
    OP_REQUIRES_OK(context, GetFloatKernel(context->input(kWeights), {1, 1, depth, units, format_},
                                           &cache_, &kernel));
    int64_t rows;
    Tensor* y;
    OP_REQUIRES_OK(context, AllocateProduct(context, depth, units, &rows, &y));
    if (y->NumElements() == 0) return;
    HalfMatMul(context->input(kX).flat<float>().data(), rows, *kernel, y->flat<float>().data(),
               DeviceThreads(context));
  }

 private:
  std::vector<int64_t> kernel_shape_;
  WeightFormat format_;
  Cache<HalfKernel> cache_;
};

class HalfConv2DOp : public WindowOp {
 public:
  explicit HalfConv2DOp(OpKernelConstruction* context) : WindowOp(context) {
    OP_REQUIRES_OK(context, GetGroups(context, filters(), &groups_));
    OP_REQUIRES_OK(context, GetWeightFormat(context, true, &format_));
  }

  void Compute(OpKernelContext* context) override {
    const Tensor& x = context->input(kX);
    ConvolutionShape shape;
    OP_REQUIRES_OK(context, GetShape(x, kernel_shape_[2] * groups_, &shape));
    std::shared_ptr<const HalfKernel> kernel;
    OP_REQUIRES_OK(context, GetFloatKernel(context->input(kWeights),
                                           PackedConvolution(shape, filters(), groups_, format_),
                                           &cache_, &kernel));
    Tensor* y;
    OP_REQUIRES_OK(context, AllocateOutput(context, shape, filters(), &y));
    if (y->NumElements() == 0) return;
    HalfConv2D(x.flat<float>().data(), shape, *kernel, y->flat<float>().data(),
               DeviceThreads(context));
  }

 private:
  int64_t groups_;
  WeightFormat format_;
  Cache<HalfKernel> cache_;
};

KERASOPT_REGISTER_CPU("KerasoptHalfMatMul", HalfMatMulOp);
KERASOPT_REGISTER_CPU("KerasoptHalfConv2D", HalfConv2DOp);

}  // namespace
}  // namespace kerasopt
