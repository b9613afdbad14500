// XLA kernels of the integer matrix multiplication and convolutions: s8 operands, s32 result.

#include <string>
#include <vector>

#include "invalid_argument.h"
#include "kernels/convolution.h"
#include "xla/hlo/builder/lib/constants.h"
#include "xla/hlo/builder/lib/arithmetic.h"
#include "xla_support.h"

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
    const xla::XlaOp offset =
        context->Input(2) - kernel_sums * xla::ConstantR0<int32_t>(builder, input_zero_point_);
    const std::vector<int64_t> shape = Dimensions(builder, sums);
    const int64_t last = static_cast<int64_t>(shape.size()) - 1;
    return XlaRequantize(sums + xla::BroadcastInDim(offset, shape, {last}),
                         xla::BroadcastInDim(context->Input(3), shape, {last}), output_);
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
  using XlaContraction::XlaContraction;

  void Compile(XlaOpKernelContext* context) override {
    const xla::XlaOp x = context->Input(0), kernel = context->Input(1);
    const int64_t rank = context->InputXlaShape(0)->dimensions().size();
    const int64_t units = context->InputXlaShape(1)->dimensions(1);
    xla::DotDimensionNumbers dimensions;
    dimensions.add_lhs_contracting_dimensions(rank - 1);
    dimensions.add_rhs_contracting_dimensions(0);
    const xla::XlaOp sums = xla::DotGeneral(x, kernel, dimensions, nullptr, xla::S32);
    context->SetOutput(0, Finish(context, sums, kernel, {0}, units));
  }
};

template <bool kDepthwise>
class XlaQuantizedConvolution : public XlaContraction {
 public:
  explicit XlaQuantizedConvolution(OpKernelConstruction* context) : XlaContraction(context) {
    std::string padding;
    OP_REQUIRES_OK(context, context->GetAttr("strides", &strides_));
    OP_REQUIRES_OK(context, context->GetAttr("dilation_rate", &dilation_rate_));
    OP_REQUIRES_OK(context, context->GetAttr("padding", &padding));
    same_ = padding == "same";
  }

  void Compile(XlaOpKernelContext* context) override {
    const xla::XlaOp x = context->Input(0), kernel = context->Input(1);
    const xla::Shape x_shape = *context->InputXlaShape(0);
    const xla::Shape kernel_shape = *context->InputXlaShape(1);
    const int64_t channels = kernel_shape.dimensions(2), last = kernel_shape.dimensions(3);
    xla::PaddingConfig padding = xla::MakeNoPaddingConfig(4);
    for (int axis : {0, 1}) {
      const Window window =
          MakeWindow(x_shape.dimensions(axis + 1), kernel_shape.dimensions(axis), strides_[axis],
                     dilation_rate_[axis], same_);
      padding.mutable_dimensions(axis + 1)->set_edge_padding_low(window.pad_before);
      padding.mutable_dimensions(axis + 1)->set_edge_padding_high(window.pad_after);
    }
    const xla::XlaOp padded = xla::Pad(
        x, xla::ConstantR0<int8_t>(x.builder(), static_cast<int8_t>(input_zero_point_)), padding);
    const int64_t out_channels = kDepthwise ? channels * last : last;
    const xla::XlaOp filter =
        kDepthwise ? xla::Reshape(kernel, {kernel_shape.dimensions(0), kernel_shape.dimensions(1),
                                           1, out_channels})
                   : kernel;
    const xla::XlaOp sums = xla::ConvGeneralDilated(
        padded, filter, strides_, /*padding=*/{{0, 0}, {0, 0}}, /*lhs_dilation=*/{1, 1},
        dilation_rate_, DimensionNumbers(), kDepthwise ? channels : 1, /*batch_group_count=*/1,
        nullptr, xla::S32);
    context->SetOutput(0, Finish(context, sums, filter, {0, 1, 2}, out_channels));
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
  bool same_;
};

KERASOPT_REGISTER_XLA("KerasoptQuantizedMatMul", XlaQuantizedMatMul);
KERASOPT_REGISTER_XLA("KerasoptQuantizedConv2D", XlaQuantizedConvolution<false>);
KERASOPT_REGISTER_XLA("KerasoptQuantizedDepthwiseConv2D", XlaQuantizedConvolution<true>);

}  // namespace
}  // namespace kerasopt
