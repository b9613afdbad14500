// The window of a convolution, for XLA.

#ifndef KERASOPT_TENSORFLOW_XLA_WINDOW_H_
#define KERASOPT_TENSORFLOW_XLA_WINDOW_H_

#include <vector>

#include "kernels/gemm/convolution.h"
#include "window_attributes.h"
#include "xla_support.h"

namespace kerasopt {

class XlaWindow {
 public:
  Status Init(OpKernelConstruction* context) { return attributes_.Init(context); }

  // The shape of a convolution with a kernel whose channels are those of x.
  Status GetShape(XlaOpKernelContext* context, const std::vector<int64_t>& kernel, int64_t channels,
                  ConvolutionShape* shape) const {
    const tensorflow::TensorShape x = InputShape(context, 0);
    TF_RETURN_IF_ERROR(attributes_.Make(x, kernel, channels, 1, shape));
    const auto padded = [](const Window& window) {
      return window.pad_before + window.input + window.pad_after;
    };
    // Here the whole image is padded, not the lines at hand.
    if (padded(shape->height) > kMostSize / channels / padded(shape->width)) {
      return InvalidArgument("x must have at most ", kMostSize,
                             " values an image when it is "
                             "padded. Received: x.shape=",
                             x.DebugString());
    }
    return absl::OkStatus();
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
      // XLA's CPU compiler makes wrong code of such a convolution of integers that it computes in
      // the same place, and right code of the product.
      return MatMul(xla::Slice(padded, {0, 0, 0, 0}, Dimensions(padded),
                               {1, attributes_.strides[0], attributes_.strides[1], 1}),
                    xla::Reshape(filter, {kernel[2], kernel[3]}), sums);
    }
    return xla::ConvGeneralDilated(padded, filter, attributes_.strides,
                                   /*padding=*/{{0, 0}, {0, 0}}, /*lhs_dilation=*/{1, 1},
                                   attributes_.dilation_rate, DimensionNumbers(), groups,
                                   /*batch_group_count=*/1, nullptr, sums);
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

  WindowAttributes attributes_;
};

}  // namespace kerasopt

#endif  // KERASOPT_TENSORFLOW_XLA_WINDOW_H_
