// CPU kernels of the integer matrix multiplications.

#include "kernels/gemm/dynamic_matmul.h"
#include "integer_kernel.h"

namespace kerasopt {
namespace {

using tensorflow::OpKernel;
using tensorflow::OpKernelConstruction;
using tensorflow::OpKernelContext;
using tensorflow::Tensor;

template <typename T>
class QuantizedMatMulOp : public OpKernel {
 public:
  explicit QuantizedMatMulOp(OpKernelConstruction* context) : OpKernel(context) {
    OP_REQUIRES_OK(context, GetZeroPointsAndRange<T>(context, &range_));
    OP_REQUIRES_OK(context, GetKernelShape(context, 2, &kernel_shape_));
    OP_REQUIRES_OK(context, GetWeightFormat(context, false, &format_));
  }

  void Compute(OpKernelContext* context) override {
    const int64_t depth = kernel_shape_[0], units = kernel_shape_[1];
    std::shared_ptr<const IntegerKernel<T>> kernel;
    OP_REQUIRES_OK(context,
                   GetIntegerKernel<T>(context->input(kWeights), {1, 1, depth, units, format_},
                                       range_.input_zero_point, &cache_, &kernel));
    int64_t rows;
    Tensor* y;
    OP_REQUIRES_OK(context, AllocateProduct(context, depth, units, &rows, &y));
    if (y->NumElements() == 0) return;
    QuantizedMatMul(context->input(kX).flat<T>().data(), rows, *kernel, range_.output,
                    y->flat<T>().data(), DeviceThreads(context));
  }

 private:
  ZeroPointsAndRange range_;
  std::vector<int64_t> kernel_shape_;
  WeightFormat format_;
  Cache<IntegerKernel<T>> cache_;
};

class DynamicMatMulOp : public OpKernel {
 public:
  explicit DynamicMatMulOp(OpKernelConstruction* context) : OpKernel(context) {
    OP_REQUIRES_OK(context, GetKernelShape(context, 2, &kernel_shape_));
    OP_REQUIRES_OK(context, GetWeightFormat(context, false, &format_));
  }

  void Compute(OpKernelContext* context) override {
    const int64_t depth = kernel_shape_[0], units = kernel_shape_[1];
    std::shared_ptr<const DynamicKernel> kernel;
    OP_REQUIRES_OK(context, GetFloatKernel(context->input(kWeights),
                                           {1, 1, depth, units, format_}, &cache_, &kernel));
    int64_t rows;
    Tensor* y;
    OP_REQUIRES_OK(context, AllocateProduct(context, depth, units, &rows, &y));
    if (y->NumElements() == 0) return;
    DynamicMatMul(context->input(kX).flat<float>().data(), rows, *kernel,
                  y->flat<float>().data(), DeviceThreads(context));
  }

 private:
  std::vector<int64_t> kernel_shape_;
  WeightFormat format_;
  Cache<DynamicKernel> cache_;
};

KERASOPT_REGISTER_CPU_TYPES("KerasoptQuantizedMatMul", QuantizedMatMulOp);
KERASOPT_REGISTER_CPU("KerasoptDynamicMatMul", DynamicMatMulOp);

}  // namespace
}  // namespace kerasopt
