// XLA kernels of the integer convolutions.

#include <vector>

#include "kernels/convolution.h"
#include "op_weights.h"
#include "xla_contraction.h"
#include "xla_weights.h"

namespace kerasopt {
namespace {

using tensorflow::OpKernelConstruction;
using tensorflow::XlaOpKernelContext;

class XlaConvolution : public XlaContraction {
 public:
  explicit XlaConvolution(OpKernelConstruction* context) : XlaContraction(context) {
    OP_REQUIRES_OK(context, context->GetAttr("strides", &strides_));
    OP_REQUIRES_OK(context, context->GetAttr("dilation_rate", &dilation_rate_));
    OP_REQUIRES_OK(context, GetPaddings(context, paddings_));
  }

 protected:
  ConvolutionShape ShapeOf(XlaOpKernelContext* context, int64_t kernel_height,
                           int64_t kernel_width) const {
    const xla::Shape x = *context->InputXlaShape(0);
    const auto window = [&](int axis, int64_t kernel) {
      return MakeWindow(x.dimensions(axis + 1), kernel, strides_[axis], dilation_rate_[axis],
                        paddings_[axis]);
    };
    return {x.dimensions(0), x.dimensions(3), window(0, kernel_height), window(1, kernel_width)};
  }

  // `filter` has the shape (height, width, channels / groups, filters).
  void Convolve(XlaOpKernelContext* context, const ConvolutionShape& shape, xla::XlaOp filter,
                int64_t filters, int64_t groups) const {
    xla::PaddingConfig padding = xla::MakeNoPaddingConfig(4);
    for (int axis : {0, 1}) {
      const Window& window = axis == 0 ? shape.height : shape.width;
      padding.mutable_dimensions(axis + 1)->set_edge_padding_low(window.pad_before);
      padding.mutable_dimensions(axis + 1)->set_edge_padding_high(window.pad_after);
    }
    const xla::XlaOp x = context->Input(0);
    const xla::XlaOp padded = xla::Pad(
        x, xla::ConstantR0<int8_t>(x.builder(), static_cast<int8_t>(input_zero_point_)), padding);
    const xla::XlaOp sums = xla::ConvGeneralDilated(
        padded, filter, strides_, /*padding=*/{{0, 0}, {0, 0}}, /*lhs_dilation=*/{1, 1},
        dilation_rate_, DimensionNumbers(), groups, /*batch_group_count=*/1, nullptr, xla::S32);
    context->SetOutput(0, Finish(sums, filter, {0, 1, 2}, Words(context, 1, filters, xla::S32),
                                 Words(context, 0, filters, xla::F32)));
  }

 private:
  static xla::ConvolutionDimensionNumbers DimensionNumbers() {
    xla::ConvolutionDimensionNumbers numbers;
    numbers.set_input_batch_dimension(0);
    numbers.set_output_batch_dimension(0);
    numbers.set_input_feature_dimension(3);
    numbers.set_output_feature_dimension(3);
    numbers.set_kernel_input_feature_dimension(2);
    numbers.set_kernel_output_feature_dimension(3);
    for (int axis : {0, 1}) {
      numbers.add_input_spatial_dimensions(axis + 1);
      numbers.add_output_spatial_dimensions(axis + 1);
      numbers.add_kernel_spatial_dimensions(axis);
    }
    return numbers;
  }

  std::vector<int64_t> strides_, dilation_rate_;
  Padding paddings_[2];
};

class XlaQuantizedConv2D : public XlaConvolution {
 public:
  explicit XlaQuantizedConv2D(OpKernelConstruction* context) : XlaConvolution(context) {
    OP_REQUIRES_OK(context, context->GetAttr("kernel_shape", &kernel_shape_));
    OP_REQUIRES_OK(context, context->GetAttr("groups", &groups_));
    OP_REQUIRES_OK(context, GetWeightFormat(context, &format_));
  }

  void Compile(XlaOpKernelContext* context) override {
    const ConvolutionShape shape = ShapeOf(context, kernel_shape_[0], kernel_shape_[1]);
    const int64_t filters = kernel_shape_[3];
    const xla::XlaOp filter = xla::Reshape(
        Unpack(context->Input(1), PackedConvolution(shape, filters, groups_, format_)), kernel_shape_);
    Convolve(context, shape, filter, filters, groups_);
  }

 private:
  std::vector<int64_t> kernel_shape_;
  int64_t groups_;
  WeightFormat format_;
};

class XlaQuantizedDepthwiseConv2D : public XlaConvolution {
 public:
  explicit XlaQuantizedDepthwiseConv2D(OpKernelConstruction* context) : XlaConvolution(context) {
    OP_REQUIRES_OK(context, context->GetAttr("kernel_shape", &kernel_shape_));
  }

  void Compile(XlaOpKernelContext* context) override {
    const int64_t height = kernel_shape_[0], width = kernel_shape_[1];
    const int64_t channels = kernel_shape_[2], filters = channels * kernel_shape_[3];
    const xla::XlaOp kernel =
        xla::SliceInDim(context->Input(1), 0, height * width * filters, 1, 0);
    Convolve(context, ShapeOf(context, height, width),
             xla::Reshape(kernel, {height, width, 1, filters}), filters, channels);
  }

 private:
  std::vector<int64_t> kernel_shape_;
};

KERASOPT_REGISTER_XLA("KerasoptQuantizedConv2D", XlaQuantizedConv2D);
KERASOPT_REGISTER_XLA("KerasoptQuantizedDepthwiseConv2D", XlaQuantizedDepthwiseConv2D);

}  // namespace
}  // namespace kerasopt
