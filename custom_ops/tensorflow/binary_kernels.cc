// CPU kernel of the binary convolution.

#include "kernels/binary.h"
#include "op_weights.h"
#include "window_op.h"

namespace kerasopt {
namespace {

using tensorflow::OpKernelConstruction;
using tensorflow::OpKernelContext;
using tensorflow::Tensor;

class BinaryConv2DOp : public WindowOp {
 public:
  explicit BinaryConv2DOp(OpKernelConstruction* context) : WindowOp(context) {
    OP_REQUIRES_OK(context, GetKernelShape(context, 4, &kernel_shape_));
    const int64_t products = kernel_shape_[0] * kernel_shape_[1] * kernel_shape_[2];
    OP_REQUIRES(context, products <= kMostBinaryProducts,
                InvalidArgument("A binary kernel sums at most ", kMostBinaryProducts,
                                " products. Received: ", products));
  }

  void Compute(OpKernelContext* context) override {
    const Tensor& x = context->input(kX);
    ConvolutionShape shape;
    OP_REQUIRES_OK(context, GetShape(x, kernel_shape_[0], kernel_shape_[1], &shape));
    OP_REQUIRES(context, shape.channels == kernel_shape_[2],
                InvalidArgument("x must have ", kernel_shape_[2], " channels to match kernel. "
                                "Received: x.shape=", x.shape().DebugString()));
    std::shared_ptr<const BinaryKernel> kernel;
    OP_REQUIRES_OK(context,
                   GetFloatKernel(context->input(kWeights), PackedBinary(shape, kernel_shape_[3]),
                                  &cache_, &kernel));
    Tensor* y;
    OP_REQUIRES_OK(context, AllocateOutput(context, shape, kernel_shape_[3], &y));
    if (y->NumElements() == 0) return;
    BinaryConv2D(x.flat<float>().data(), shape, *kernel, y->flat<float>().data(),
                 DeviceThreads(context));
  }

 private:
  std::vector<int64_t> kernel_shape_;
  Cache<BinaryKernel> cache_;
};

KERASOPT_REGISTER_CPU("KerasoptBinaryConv2D", BinaryConv2DOp);

}  // namespace
}  // namespace kerasopt
