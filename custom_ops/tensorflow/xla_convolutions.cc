// XLA kernels of the integer convolutions.

#include <vector>

#include "kernels/depthwise/table.h"
#include "op_weights.h"
#include "xla_contraction.h"
#include "xla_weights.h"
#include "xla_window.h"

namespace kerasopt {
namespace {

using tensorflow::OpKernelConstruction;
using tensorflow::XlaOpKernelContext;

class XlaConvolution : public XlaContraction {
 public:
  explicit XlaConvolution(OpKernelConstruction* context) : XlaContraction(context) {
    OP_REQUIRES_OK(context, GetKernelShape(context, 4, &kernel_shape_));
    OP_REQUIRES_OK(context, window_.Init(context));
  }

 protected:
  void Convolve(XlaOpKernelContext* context, const ConvolutionShape& shape, xla::XlaOp filter,
                int64_t filters, int64_t groups) const {
    const auto sum = [&](xla::XlaOp x, xla::XlaOp kernel, int32_t zero) {
      const xla::XlaOp padding = xla::ConvertElementType(
          Scalar(x, zero), x.builder()->GetShape(x)->element_type());
      return window_.Convolve(x, shape, kernel, groups, padding, xla::S32);
    };
    context->SetOutput(0, Contract(context->Input(0), filter, {0, 1, 2},
                                   Words(context, 1, filters, xla::S32),
                                   Multipliers(context, filters), sum));
  }

  std::vector<int64_t> kernel_shape_;
  XlaWindow window_;
};

class XlaQuantizedConv2D : public XlaConvolution {
 public:
  explicit XlaQuantizedConv2D(OpKernelConstruction* context) : XlaConvolution(context) {
    OP_REQUIRES_OK(context, GetGroups(context, kernel_shape_[3], &groups_));
    OP_REQUIRES_OK(context, GetWeightFormat(context, false, &format_));
  }

  void Compile(XlaOpKernelContext* context) override {
    ConvolutionShape shape;
    OP_REQUIRES_OK(context,
                   window_.GetShape(context, kernel_shape_, kernel_shape_[2] * groups_, &shape));
    const int64_t filters = kernel_shape_[3];
    const PackedShape packed = PackedConvolution(shape, filters, groups_, format_);
    OP_REQUIRES_OK(context, CheckPacked(context, packed));
    OP_REQUIRES_OK(context, CheckProducts(packed.runs * packed.depth, kMostInt16Products));
    const xla::XlaOp filter = xla::Reshape(Unpack(context->Input(1), packed), kernel_shape_);
    Convolve(context, shape, filter, filters, groups_);
  }

 private:
  int64_t groups_;
  WeightFormat format_;
};

class XlaQuantizedDepthwiseConv2D : public XlaConvolution {
 public:
  using XlaConvolution::XlaConvolution;

  void Compile(XlaOpKernelContext* context) override {
    const int64_t height = kernel_shape_[0], width = kernel_shape_[1];
    const int64_t channels = kernel_shape_[2], filters = channels * kernel_shape_[3];
    const int64_t values = height * width * filters;
    ConvolutionShape shape;
    OP_REQUIRES_OK(context, window_.GetShape(context, kernel_shape_, channels, &shape));
    OP_REQUIRES_OK(context,
                   CheckWeights(InputShape(context, 1), PackedBytes(values, filters)));
    OP_REQUIRES_OK(context, CheckProducts(height * width, kMostInt16Taps));
    const xla::XlaOp kernel = xla::SliceInDim(context->Input(1), 0, values, 1, 0);
    Convolve(context, shape, xla::Reshape(kernel, {height, width, 1, filters}), filters, channels);
  }
};

KERASOPT_REGISTER_XLA("KerasoptQuantizedConv2D", XlaQuantizedConv2D);
KERASOPT_REGISTER_XLA("KerasoptQuantizedDepthwiseConv2D", XlaQuantizedDepthwiseConv2D);

}  // namespace
}  // namespace kerasopt
