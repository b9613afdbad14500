// CPU kernels of the convolutions with packed weights.

#include "convolution_op.h"
#include "products.h"

namespace kerasopt {
namespace {

template <typename Product>
class Conv2DOp : public ConvolutionOp {
 public:
  explicit Conv2DOp(OpKernelConstruction* context) : ConvolutionOp(context) {
    OP_REQUIRES_OK(context, product_.Init(context));
    OP_REQUIRES_OK(context, GetGroups(context, filters(), &groups_));
    OP_REQUIRES_OK(context, GetWeightFormat(context, Product::kIsHalf, &format_));
  }

  void Compute(OpKernelContext* context) override {
    using Value = typename Product::Value;
    const Tensor& x = context->input(kX);
    ConvolutionShape shape;
    OP_REQUIRES_OK(context, GetShape(x, kernel_shape_[2] * groups_, &shape));
    std::shared_ptr<const typename Product::Kernel> kernel;
    OP_REQUIRES_OK(
        context, product_.GetKernel(context->input(kWeights),
                                    PackedConvolution(shape, filters(), groups_, format_), &cache_,
                                    &kernel));
    Tensor* y;
    OP_REQUIRES_OK(context, AllocateOutput(context, shape, filters(), &y));
    if (y->NumElements() == 0) return;
    product_.Conv2D(x.flat<Value>().data(), shape, *kernel, y->flat<Value>().data(),
                    DeviceThreads(context));
  }

 private:
  Product product_;
  int64_t groups_;
  WeightFormat format_;
  Cache<typename Product::Kernel> cache_;
};

template <typename T>
using QuantizedConv2DOp = Conv2DOp<IntegerProduct<T>>;

KERASOPT_REGISTER_CPU_TYPES("KerasoptQuantizedConv2D", QuantizedConv2DOp);
KERASOPT_REGISTER_CPU("KerasoptHalfConv2D", Conv2DOp<HalfProduct>);

}  // namespace
}  // namespace kerasopt
