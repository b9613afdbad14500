// XLA kernels of the products and convolutions with weights of 16 bits. Sums are added in another
// order than the CPU kernels have.

#include <vector>

#include "op_weights.h"
#include "xla_packed.h"

namespace kerasopt {
namespace {

xla::XlaOp ToFloat32(xla::XlaOp kernel) { return xla::ConvertElementType(kernel, xla::F32); }

xla::XlaOp Scaled(XlaOpKernelContext* context, xla::XlaOp sums) {
  const std::vector<int64_t> shape = Dimensions(sums);
  const auto of_columns = [&](int64_t behind) {
    const xla::XlaOp words = Words(context, behind, shape.back(), xla::F32);
    return xla::BroadcastInDim(words, shape, {static_cast<int64_t>(shape.size()) - 1});
  };
  return sums * of_columns(0) + of_columns(1);
}

class XlaHalfMatMul : public XlaPackedMatMul<XlaOpKernel> {
 public:
  explicit XlaHalfMatMul(OpKernelConstruction* context) : XlaPackedMatMul(context, true) {}

 protected:
  xla::XlaOp Multiply(XlaOpKernelContext* context, xla::XlaOp kernel, int64_t) const override {
    return Scaled(context, MatMul(context->Input(0), ToFloat32(kernel), xla::F32));
  }
};

class XlaHalfConv2D : public XlaPackedConv2D<XlaOpKernel> {
 public:
  explicit XlaHalfConv2D(OpKernelConstruction* context) : XlaPackedConv2D(context, true) {}

 protected:
  xla::XlaOp Convolve(XlaOpKernelContext* context, const ConvolutionShape& image, xla::XlaOp kernel,
                      int64_t, int64_t groups) const override {
    const xla::XlaOp x = context->Input(0);
    return Scaled(context,
                  window_.Convolve(x, image, ToFloat32(kernel), groups, Scalar(x, 0.0f), xla::F32));
  }
};

KERASOPT_REGISTER_XLA("KerasoptHalfMatMul", XlaHalfMatMul);
KERASOPT_REGISTER_XLA("KerasoptHalfConv2D", XlaHalfConv2D);

}  // namespace
}  // namespace kerasopt
