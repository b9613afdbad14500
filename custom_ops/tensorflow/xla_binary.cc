// XLA kernel of the binary convolution.

#include <vector>

#include "kernels/binary/binary.h"
#include "op_weights.h"
#include "xla/hlo/builder/lib/constants.h"
#include "xla_contraction.h"
#include "xla_weights.h"
#include "xla_window.h"

namespace kerasopt {
namespace {

class XlaBinaryConv2D : public XlaOpKernel {
 public:
  explicit XlaBinaryConv2D(OpKernelConstruction* context) : XlaOpKernel(context) {
    OP_REQUIRES_OK(context, GetKernelShape(context, 4, &kernel_shape_));
    OP_REQUIRES_OK(context, CheckBinaryProducts(kernel_shape_));
    OP_REQUIRES_OK(context, window_.Init(context));
  }

  void Compile(XlaOpKernelContext* context) override {
    ConvolutionShape shape;
    OP_REQUIRES_OK(context, window_.GetShape(context, kernel_shape_, kernel_shape_[2], &shape));
    const int64_t filters = kernel_shape_[3];
    const PackedShape packed = PackedBinary(shape, filters);
    OP_REQUIRES_OK(context, CheckPacked(context, packed));
    const xla::XlaOp filter = xla::Reshape(Unpack(context->Input(1), packed), kernel_shape_);
    const xla::XlaOp x = context->Input(0);
    const xla::XlaOp one = xla::FullLike(x, 1.0f);
    const xla::XlaOp signs = xla::Select(xla::Ge(x, xla::ZerosLike(x)), one, xla::Neg(one));
    // In float32, which holds sums of 2^18 signs: XLA fails on s8 products of one channel.
    xla::XlaOp sums = window_.Convolve(signs, shape, xla::ConvertElementType(filter, xla::F32), 1,
                                       Scalar(x, 0.0f), xla::F32);
    sums = xla::ConvertElementType(sums, xla::S32);
    sums = sums * Scalar(sums, int32_t{1} << kSumBits);
    const auto of_filters = [&](xla::XlaOp words) {
      return xla::BroadcastInDim(words, Dimensions(sums), {3});
    };
    const xla::XlaOp scale = Words(context, 0, filters, xla::F32);
    const xla::XlaOp y =
        XlaScaleToFloat(sums, of_filters(scale * Scalar(scale, 1.0f / (1 << kSumBits))),
                        of_filters(Words(context, 1, filters, xla::F32)));
    context->SetOutput(0, xla::Select(of_filters(IsUsable(scale)), y, NanLike(y)));
  }

 private:
  std::vector<int64_t> kernel_shape_;
  XlaWindow window_;
};

KERASOPT_REGISTER_XLA("KerasoptBinaryConv2D", XlaBinaryConv2D);

}  // namespace
}  // namespace kerasopt
