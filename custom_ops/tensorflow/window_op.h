// What the CPU kernels of convolutions share: the window, and the shapes that follow from it.

#ifndef KERASOPT_TENSORFLOW_WINDOW_OP_H_
#define KERASOPT_TENSORFLOW_WINDOW_OP_H_

#include <vector>

#include "kernels/convolution.h"
#include "op_support.h"

namespace kerasopt {

// Padded lines are kept in memory.
constexpr int64_t kMostPadding = 1 << 21;

class WindowOp : public tensorflow::OpKernel {
 public:
  explicit WindowOp(tensorflow::OpKernelConstruction* context) : OpKernel(context) {
    OP_REQUIRES_OK(context, context->GetAttr("strides", &strides_));
    OP_REQUIRES_OK(context, context->GetAttr("dilation_rate", &dilation_rate_));
    OP_REQUIRES_OK(context, GetPaddings(context, paddings_));
  }

 protected:
  absl::Status GetShape(const tensorflow::Tensor& x, int64_t kernel_height, int64_t kernel_width,
                  ConvolutionShape* shape) const {
    if (x.dims() != 4) {
      return InvalidArgument("x must have rank 4. Received: x.shape=", x.shape().DebugString());
    }
    *shape = {x.dim_size(0), x.dim_size(3), Axis(x, kernel_height, 0), Axis(x, kernel_width, 1)};
    if (shape->height.output < 1 || shape->width.output < 1) {
      return InvalidArgument("The kernel must fit into the input. Received: x.shape=",
                             x.shape().DebugString(), ", kernel size=", kernel_height, "x",
                             kernel_width);
    }
    for (const Window& window : {shape->height, shape->width}) {
      if (window.pad_before + window.pad_after > kMostPadding) {
        return InvalidArgument("The dilated kernel must not reach beyond the input by more than ",
                               kMostPadding, ". Received: dilation rate=", window.dilation);
      }
    }
    return absl::OkStatus();
  }

  absl::Status AllocateOutput(tensorflow::OpKernelContext* context, const ConvolutionShape& shape, int64_t channels,
                        tensorflow::Tensor** y) const {
    return context->allocate_output(
        0, {shape.batch, shape.height.output, shape.width.output, channels}, y);
  }

 private:
  Window Axis(const tensorflow::Tensor& x, int64_t kernel, int axis) const {
    return MakeWindow(x.dim_size(axis + 1), kernel, strides_[axis], dilation_rate_[axis],
                      paddings_[axis]);
  }

  std::vector<int32_t> strides_, dilation_rate_;
  Padding paddings_[2];
};

}  // namespace kerasopt

#endif  // KERASOPT_TENSORFLOW_WINDOW_OP_H_
