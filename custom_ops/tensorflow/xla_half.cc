// XLA kernels of the products and convolutions with weights of 16 bits. Sums are added in another
// order than the CPU kernels have.

#include <vector>

#include "op_weights.h"
#include "xla_contraction.h"
#include "xla_weights.h"
#include "xla_window.h"

namespace kerasopt {
namespace {

using tensorflow::OpKernelConstruction;
using tensorflow::XlaOpKernel;
using tensorflow::XlaOpKernelContext;

class XlaHalf : public XlaOpKernel {
 public:
  XlaHalf(OpKernelConstruction* context, size_t rank) : XlaOpKernel(context) {
    OP_REQUIRES_OK(context, GetKernelShape(context, rank, &kernel_shape_));
    OP_REQUIRES_OK(context, GetWeightFormat(context, true, &format_));
  }

 protected:
  xla::XlaOp Kernel(XlaOpKernelContext* context, const PackedShape& shape) const {
    const xla::XlaOp kernel = Unpack(context->Input(1), shape);
    return xla::Reshape(xla::ConvertElementType(kernel, xla::F32), kernel_shape_);
  }

  void Finish(XlaOpKernelContext* context, xla::XlaOp sums) const {
    const std::vector<int64_t> shape = Dimensions(sums);
    const auto of_columns = [&](int64_t behind) {
      const xla::XlaOp words = Words(context, behind, shape.back(), xla::F32);
      return xla::BroadcastInDim(words, shape, {static_cast<int64_t>(shape.size()) - 1});
    };
    context->SetOutput(0, sums * of_columns(0) + of_columns(1));
  }

  std::vector<int64_t> kernel_shape_;
  WeightFormat format_;
};

class XlaHalfMatMul : public XlaHalf {
 public:
  explicit XlaHalfMatMul(OpKernelConstruction* context) : XlaHalf(context, 2) {}

  void Compile(XlaOpKernelContext* context) override {
    const PackedShape shape = {1, 1, kernel_shape_[0], kernel_shape_[1], format_};
    OP_REQUIRES_OK(context, CheckRows(InputShape(context, 0), shape.depth));
    OP_REQUIRES_OK(context, CheckPacked(context, shape));
    Finish(context, MatMul(context->Input(0), Kernel(context, shape), xla::F32));
  }
};

class XlaHalfConv2D : public XlaHalf {
 public:
  explicit XlaHalfConv2D(OpKernelConstruction* context) : XlaHalf(context, 4) {
    OP_REQUIRES_OK(context, GetGroups(context, kernel_shape_[3], &groups_));
    OP_REQUIRES_OK(context, window_.Init(context));
  }

  void Compile(XlaOpKernelContext* context) override {
    const xla::XlaOp x = context->Input(0);
    ConvolutionShape shape;
    OP_REQUIRES_OK(context,
                   window_.GetShape(context, kernel_shape_, kernel_shape_[2] * groups_, &shape));
    const PackedShape packed = PackedConvolution(shape, kernel_shape_[3], groups_, format_);
    OP_REQUIRES_OK(context, CheckPacked(context, packed));
    Finish(context, window_.Convolve(x, shape, Kernel(context, packed), groups_, Scalar(x, 0.0f),
                                     xla::F32));
  }

 private:
  int64_t groups_;
  XlaWindow window_;
};

KERASOPT_REGISTER_XLA("KerasoptHalfMatMul", XlaHalfMatMul);
KERASOPT_REGISTER_XLA("KerasoptHalfConv2D", XlaHalfConv2D);

}  // namespace
}  // namespace kerasopt
