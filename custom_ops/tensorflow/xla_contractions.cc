// XLA kernels of the integer matrix multiplication and convolutions: s8 operands, s32 result.

#include <limits>
#include <numeric>
#include <string>
#include <vector>

#include "invalid_argument.h"
#include "kernels/convolution.h"
#include "op_weights.h"
#include "xla/hlo/builder/lib/constants.h"
#include "xla/hlo/builder/lib/math.h"
#include "xla/hlo/builder/lib/arithmetic.h"
#include "xla_support.h"
#include "xla_weights.h"

namespace kerasopt {
namespace {

using tensorflow::OpKernelConstruction;
using tensorflow::XlaOpKernel;
using tensorflow::XlaOpKernelContext;

class XlaContraction : public XlaOpKernel {
 public:
  explicit XlaContraction(OpKernelConstruction* context) : XlaOpKernel(context) {
    OP_REQUIRES_OK(context, context->GetAttr("input_zero_point", &input_zero_point_));
    OP_REQUIRES_OK(context, context->GetAttr("output_zero_point", &output_.zero_point));
    OP_REQUIRES_OK(context, context->GetAttr("output_min", &output_.min));
    OP_REQUIRES_OK(context, context->GetAttr("output_max", &output_.max));
  }

 protected:
  // Sums of x * kernel to the output: adds the bias, corrects for the zero point of x with the
  // sums of the kernel over its axes `reduced`, and requantizes.
  xla::XlaOp Finish(XlaOpKernelContext* context, xla::XlaOp sums, xla::XlaOp kernel,
                    absl::Span<const int64_t> reduced, int64_t channels) const {
    xla::XlaBuilder* builder = sums.builder();
    xla::XlaOp kernel_sums = xla::Reduce(
        xla::ConvertElementType(kernel, xla::S32), xla::Zero(builder, xla::S32),
        xla::CreateScalarAddComputation(xla::S32, builder), reduced);
    kernel_sums = xla::Reshape(kernel_sums, {channels});
    const xla::XlaOp offset = Words(context, 1, channels, xla::S32) -
                              kernel_sums * xla::ConstantR0<int32_t>(builder, input_zero_point_);
    const std::vector<int64_t> shape = Dimensions(builder, sums);
    const int64_t last = static_cast<int64_t>(shape.size()) - 1;
    return XlaRequantize(sums + xla::BroadcastInDim(offset, shape, {last}),
                         xla::BroadcastInDim(Words(context, 0, channels, xla::F32), shape, {last}),
                         output_);
  }

  static std::vector<int64_t> Dimensions(xla::XlaBuilder* builder, xla::XlaOp op) {
    const auto dimensions = builder->GetShape(op)->dimensions();
    return std::vector<int64_t>(dimensions.begin(), dimensions.end());
  }

  int32_t input_zero_point_;

 private:
  XlaOutputQuantization output_;
};

class XlaQuantizedMatMul : public XlaContraction {
 public:
  explicit XlaQuantizedMatMul(OpKernelConstruction* context) : XlaContraction(context) {
    OP_REQUIRES_OK(context, context->GetAttr("kernel_shape", &kernel_shape_));
    OP_REQUIRES_OK(context, GetWeightFormat(context, &format_));
  }

  void Compile(XlaOpKernelContext* context) override {
    const int64_t depth = kernel_shape_[0], units = kernel_shape_[1];
    const xla::XlaOp kernel =
        xla::Reshape(Unpack(context->Input(1), {1, 1, depth, units, format_}), {depth, units});
    xla::DotDimensionNumbers dimensions;
    dimensions.add_lhs_contracting_dimensions(context->InputXlaShape(0)->dimensions().size() - 1);
    dimensions.add_rhs_contracting_dimensions(0);
    const xla::XlaOp sums =
        xla::DotGeneral(context->Input(0), kernel, dimensions, nullptr, xla::S32);
    context->SetOutput(0, Finish(context, sums, kernel, {0}, units));
  }

 private:
  std::vector<int64_t> kernel_shape_;
  WeightFormat format_;
};

// The steps of the reference, kerasopt/ops/reference/matmul.py.
class XlaDynamicMatMul : public XlaOpKernel {
 public:
  explicit XlaDynamicMatMul(OpKernelConstruction* context) : XlaOpKernel(context) {
    OP_REQUIRES_OK(context, context->GetAttr("kernel_shape", &kernel_shape_));
    OP_REQUIRES_OK(context, GetWeightFormat(context, &format_));
  }

  void Compile(XlaOpKernelContext* context) override {
    const int64_t depth = kernel_shape_[0], units = kernel_shape_[1];
    xla::XlaOp x = context->Input(0);
    xla::XlaBuilder* builder = x.builder();
    const std::vector<int64_t> shape = Dimensions(x);
    const int64_t last = static_cast<int64_t>(shape.size()) - 1;
    std::vector<int64_t> leading(last);
    std::iota(leading.begin(), leading.end(), 0);
    const float largest = std::numeric_limits<float>::max();
    x = xla::Clamp(Scalar(x, -largest), xla::Select(xla::IsNan(x), xla::ZerosLike(x), x),
                   Scalar(x, largest));
    const xla::XlaOp magnitude =
        xla::Reduce(xla::Abs(x), Scalar(x, 0.0f),
                    xla::CreateScalarMaxComputation(xla::F32, builder), {last});
    const xla::XlaOp step = magnitude * Scalar(x, 1.0f / 127.0f);
    const xla::XlaOp weights_scale = Words(context, 0, units, xla::F32);
    const xla::XlaOp bias = Words(context, 1, units, xla::F32);
    const xla::XlaOp ratio =
        xla::Min(xla::Reduce(xla::Abs(bias) / weights_scale, Scalar(x, 0.0f),
                             xla::CreateScalarMaxComputation(xla::F32, builder), {0}),
                 Scalar(x, largest));
    const xla::XlaOp smallest =
        xla::Max(ratio * Scalar(x, 1.0f / (1 << 30)), Scalar(x, kSmallestScale));
    const xla::XlaOp scale = xla::Max(step, smallest);
    const xla::XlaOp q =
        xla::Clamp(Scalar(x, -127.0f),
                   xla::RoundNearestEven(x / xla::BroadcastInDim(scale, shape, leading)),
                   Scalar(x, 127.0f));
    const xla::XlaOp kernel =
        xla::Reshape(Unpack(context->Input(1), {1, 1, depth, units, format_}), {depth, units});
    xla::DotDimensionNumbers dimensions;
    dimensions.add_lhs_contracting_dimensions(last);
    dimensions.add_rhs_contracting_dimensions(0);
    const xla::XlaOp sums = xla::DotGeneral(xla::ConvertElementType(q, xla::S8), kernel, dimensions,
                                            nullptr, xla::S32);
    const std::vector<int64_t> out = Dimensions(sums);
    const auto of_rows = [&](xla::XlaOp op) { return xla::BroadcastInDim(op, out, leading); };
    const auto of_columns = [&](xla::XlaOp op) { return xla::BroadcastInDim(op, out, {last}); };
    const xla::XlaOp multiplier =
        xla::Max(of_rows(scale) * of_columns(weights_scale), Scalar(x, kSmallestScale));
    const xla::XlaOp offset = xla::Clamp(
        Scalar(x, -kLargestOffset), xla::RoundNearestEven(of_columns(bias) / multiplier),
        Scalar(x, kLargestOffset));
    const xla::XlaOp total = sums + xla::ConvertElementType(offset, xla::S32);
    context->SetOutput(0, xla::ConvertElementType(total, xla::F32) * multiplier);
  }

 private:
  static std::vector<int64_t> Dimensions(xla::XlaOp op) {
    const auto dimensions = op.builder()->GetShape(op)->dimensions();
    return std::vector<int64_t>(dimensions.begin(), dimensions.end());
  }

  std::vector<int64_t> kernel_shape_;
  WeightFormat format_;
};

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
    context->SetOutput(0, Finish(context, sums, filter, {0, 1, 2}, filters));
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

KERASOPT_REGISTER_XLA("KerasoptQuantizedMatMul", XlaQuantizedMatMul);
KERASOPT_REGISTER_XLA("KerasoptDynamicMatMul", XlaDynamicMatMul);
KERASOPT_REGISTER_XLA("KerasoptQuantizedConv2D", XlaQuantizedConv2D);
KERASOPT_REGISTER_XLA("KerasoptQuantizedDepthwiseConv2D", XlaQuantizedDepthwiseConv2D);

}  // namespace
}  // namespace kerasopt
