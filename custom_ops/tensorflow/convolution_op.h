// What the CPU kernels of convolutions share: the window, and the shapes that follow from it.

#ifndef KERASOPT_TENSORFLOW_CONVOLUTION_OP_H_
#define KERASOPT_TENSORFLOW_CONVOLUTION_OP_H_

#include <vector>

#include "kernels/gemm/convolution.h"
#include "op_support.h"
#include "window_attributes.h"

namespace kerasopt {

class ConvolutionOp : public OpKernel {
 public:
  explicit ConvolutionOp(OpKernelConstruction* context) : OpKernel(context) {
    OP_REQUIRES_OK(context, GetKernelShape(context, 4, &kernel_shape_));
    OP_REQUIRES_OK(context, window_.Init(context));
  }

 protected:
  int64_t filters() const { return kernel_shape_[3]; }

  // Of a kernel whose channels are those of x, and which makes `repeats` of each.
  Status GetShape(const Tensor& x, int64_t channels, ConvolutionShape* shape,
                  int64_t repeats = 1) const {
    return window_.Make(x.shape(), kernel_shape_, channels, repeats, shape);
  }

  Status AllocateOutput(OpKernelContext* context, const ConvolutionShape& shape, int64_t channels,
                        Tensor** y) const {
    return kerasopt::AllocateOutput(
        context, {shape.batch, shape.height.output, shape.width.output, channels}, y);
  }

  std::vector<int64_t> kernel_shape_;

 private:
  WindowAttributes window_;
};

}  // namespace kerasopt

#endif  // KERASOPT_TENSORFLOW_CONVOLUTION_OP_H_
