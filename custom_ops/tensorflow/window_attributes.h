// The windows of convolutions and of pooling, from the attributes that shape functions and the CPU
// and XLA kernels read.

#ifndef KERASOPT_TENSORFLOW_WINDOW_ATTRIBUTES_H_
#define KERASOPT_TENSORFLOW_WINDOW_ATTRIBUTES_H_

#include <string>
#include <vector>

#include "attributes.h"
#include "kernels/common/image_lines.h"
#include "kernels/pooling/pooling.h"
#include "tensorflow/core/framework/tensor_shape.h"

namespace kerasopt {

// Padded lines are kept in memory, by each thread those of one output line.
constexpr int64_t kMostPadding = 1 << 21;
constexpr int64_t kMostLineBytes = 1 << 30;

// How windows move over an image.
struct WindowAttributes {
  int64_t strides[2], dilation_rate[2] = {1, 1};
  Padding paddings[2];

  // Of KERASOPT_WINDOW_ATTRS.
  template <typename Context>
  absl::Status Init(Context* context) {
    TF_RETURN_IF_ERROR(GetPairAttr(context, "strides", kMostSize, strides));
    TF_RETURN_IF_ERROR(GetPairAttr(context, "dilation_rate", kMostSize, dilation_rate));
    return InitPaddings(context);
  }

  // The window along an axis of an image, or an error if it does not fit.
  absl::Status Make(int64_t input, int64_t kernel, int axis, Window* window) const {
    if (input > kMostSize) {
      return InvalidArgument("x must have axes of up to ", kMostSize, ". Received: ", input);
    }
    *window = MakeWindow(input, kernel, strides[axis], dilation_rate[axis], paddings[axis]);
    if (window->output < 1) {
      return InvalidArgument("The kernel must fit into the input. Received: input size=", input,
                             ", kernel size=", kernel, ", dilation rate=", dilation_rate[axis]);
    }
    return absl::OkStatus();
  }

  // The shape of a convolution of an image (batch, height, width, channels), whose kernel has so
  // many channels. Padded lines have `repeats` copies of each.
  absl::Status Make(const tensorflow::TensorShape& x, const std::vector<int64_t>& kernel,
                    int64_t channels, int64_t repeats, ConvolutionShape* shape) const {
    if (x.dims() != 4 || x.dim_size(3) != channels) {
      return InvalidArgument("x must have rank 4, and ", channels,
                             " channels to match kernel. "
                             "Received: x.shape=",
                             x.DebugString());
    }
    shape->batch = x.dim_size(0), shape->channels = channels;
    TF_RETURN_IF_ERROR(Make(x.dim_size(1), kernel[0], 0, &shape->height));
    TF_RETURN_IF_ERROR(Make(x.dim_size(2), kernel[1], 1, &shape->width));
    for (const Window& window : {shape->height, shape->width}) {
      if (window.pad_before + window.pad_after > kMostPadding) {
        return InvalidArgument("The dilated kernel must not reach beyond the input by more than ",
                               kMostPadding, ". Received: dilation rate=", window.dilation);
      }
    }
    const Window& width = shape->width;
    const int64_t line = width.pad_before + width.input + width.pad_after;
    if (shape->height.span() > kMostLineBytes / 4 / channels / repeats / line) {
      return InvalidArgument("The lines under a window must have at most ", kMostLineBytes,
                             " bytes. Received: x.shape=", x.DebugString(),
                             ", dilation rate=", shape->height.dilation, ", ", width.dilation);
    }
    return absl::OkStatus();
  }

 private:
  template <typename Context>
  absl::Status InitPaddings(Context* context) {
    constexpr int64_t kMost = 1 << 20;
    bool is_same;
    std::vector<int64_t> pads;
    TF_RETURN_IF_ERROR(GetIsSame(context, &is_same));
    TF_RETURN_IF_ERROR(context->GetAttr("pads", &pads));
    if (pads.size() != 4) return InvalidArgument("pads must have four values");
    for (int64_t width : pads) {
      if (width < 0 || width > kMost || (is_same && width > 0)) {
        return InvalidArgument("pads must be from 0 to ", kMost,
                               ", and 0 with 'same' padding. Received: ", width);
      }
    }
    for (int axis : {0, 1}) paddings[axis] = {is_same, pads[2 * axis], pads[2 * axis + 1]};
    return absl::OkStatus();
  }
};

// What averages have beside their window.
template <typename Context>
absl::Status GetAverage(Context* context, AverageParameters* value) {
  TF_RETURN_IF_ERROR(GetPositiveAttr(context, "scale_ratio", &value->scale_ratio));
  TF_RETURN_IF_ERROR(GetZeroPoint<int8_t>(context, "input_zero_point", &value->input_zero_point));
  return GetZeroPoint<int8_t>(context, "output_zero_point", &value->output_zero_point);
}

// Error unless x is made of images with pixels to be averaged.
inline absl::Status CheckPixels(const tensorflow::TensorShape& x) {
  if (x.dims() == 4 && x.dim_size(1) > 0 && x.dim_size(2) > 0) return absl::OkStatus();
  return InvalidArgument("x must have rank 4 and at least one pixel. Received: x.shape=",
                         x.DebugString());
}

// The windows of pooling.
struct PoolAttributes {
  int64_t pool_size[2];
  WindowAttributes window;

  template <typename Context>
  absl::Status Init(Context* context) {
    constexpr int64_t kMost = 1 << 20;
    bool is_same;
    TF_RETURN_IF_ERROR(GetPairAttr(context, "pool_size", kMost, pool_size));
    TF_RETURN_IF_ERROR(GetPairAttr(context, "strides", kMost, window.strides));
    TF_RETURN_IF_ERROR(GetIsSame(context, &is_same));
    window.paddings[0] = window.paddings[1] = {is_same, 0, 0};
    return absl::OkStatus();
  }

  absl::Status Make(const tensorflow::TensorShape& x, ConvolutionShape* shape) const {
    if (x.dims() != 4) {
      return InvalidArgument("x must have rank 4. Received: x.shape=", x.DebugString());
    }
    shape->batch = x.dim_size(0), shape->channels = x.dim_size(3);
    TF_RETURN_IF_ERROR(window.Make(x.dim_size(1), pool_size[0], 0, &shape->height));
    return window.Make(x.dim_size(2), pool_size[1], 1, &shape->width);
  }
};

}  // namespace kerasopt

#endif  // KERASOPT_TENSORFLOW_WINDOW_ATTRIBUTES_H_
