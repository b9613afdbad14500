// The window of a convolution, for XLA.

#ifndef KERASOPT_TENSORFLOW_XLA_WINDOW_H_
#define KERASOPT_TENSORFLOW_XLA_WINDOW_H_

#include <vector>

#include "kernels/convolution.h"
#include "op_support.h"
#include "xla_support.h"

namespace kerasopt {

class XlaWindow {
 public:
  absl::Status Init(tensorflow::OpKernelConstruction* context) {
    TF_RETURN_IF_ERROR(context->GetAttr("strides", &strides_));
    TF_RETURN_IF_ERROR(context->GetAttr("dilation_rate", &dilation_rate_));
    return GetPaddings(context, paddings_);
  }

  ConvolutionShape ShapeOf(tensorflow::XlaOpKernelContext* context, int64_t kernel_height,
                           int64_t kernel_width) const {
    const xla::Shape x = *context->InputXlaShape(0);
    const auto window = [&](int axis, int64_t kernel) {
      return MakeWindow(x.dimensions(axis + 1), kernel, strides_[axis], dilation_rate_[axis],
                        paddings_[axis]);
    };
    return {x.dimensions(0), x.dimensions(3), window(0, kernel_height), window(1, kernel_width)};
  }

  // Sums of x, padded with `padding`; `filter` is (height, width, channels / groups, filters).
  xla::XlaOp Convolve(xla::XlaOp x, const ConvolutionShape& shape, xla::XlaOp filter,
                      int64_t groups, xla::XlaOp padding, xla::PrimitiveType sums) const {
    xla::PaddingConfig config = xla::MakeNoPaddingConfig(4);
    for (int axis : {0, 1}) {
      const Window& window = axis == 0 ? shape.height : shape.width;
      config.mutable_dimensions(axis + 1)->set_edge_padding_low(window.pad_before);
      config.mutable_dimensions(axis + 1)->set_edge_padding_high(window.pad_after);
    }
    const xla::XlaOp padded = xla::Pad(x, padding, config);
    const std::vector<int64_t> kernel = Dimensions(filter);
    if (groups == 1 && kernel[0] == 1 && kernel[1] == 1) {
      // XLA's CPU compiler makes wrong code of such a convolution of integers that it computes in the
      // same place, and right code of the product.
      return MatMul(xla::Slice(padded, {0, 0, 0, 0}, Dimensions(padded),
                               {1, strides_[0], strides_[1], 1}),
                    xla::Reshape(filter, {kernel[2], kernel[3]}), sums);
    }
    return xla::ConvGeneralDilated(
        padded, filter, strides_, /*padding=*/{{0, 0}, {0, 0}}, /*lhs_dilation=*/{1, 1},
        dilation_rate_, DimensionNumbers(), groups, /*batch_group_count=*/1, nullptr, sums);
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

}  // namespace kerasopt

#endif  // KERASOPT_TENSORFLOW_XLA_WINDOW_H_
