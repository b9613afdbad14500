// CPU kernel of the binary convolution.

#include "convolution_op.h"
#include "kernels/binary/binary.h"
#include "op_weights.h"

namespace kerasopt {
namespace {

class BinaryConv2DOp : public ConvolutionOp {
 public:
  explicit BinaryConv2DOp(OpKernelConstruction* context) : ConvolutionOp(context) {
    OP_REQUIRES_OK(context, CheckBinaryProducts(kernel_shape_));
  }

  void Compute(OpKernelContext* context) override {
    const Tensor& x = context->input(kX);
    ConvolutionShape shape;
    OP_REQUIRES_OK(context, GetShape(x, kernel_shape_[2], &shape));
    std::shared_ptr<const BinaryKernel> kernel;
    OP_REQUIRES_OK(context, GetFloatKernel(context->input(kWeights), PackedBinary(shape, filters()),
                                           &cache_, &kernel));
    Tensor* y;
    OP_REQUIRES_OK(context, AllocateOutput(context, shape, filters(), &y));
    if (y->NumElements() == 0) return;
    BinaryConv2D(x.flat<float>().data(), shape, *kernel, y->flat<float>().data(),
                 DeviceThreads(context));
  }

 private:
  Cache<BinaryKernel> cache_;
};

KERASOPT_REGISTER_CPU("KerasoptBinaryConv2D", BinaryConv2DOp);

}  // namespace
}  // namespace kerasopt
