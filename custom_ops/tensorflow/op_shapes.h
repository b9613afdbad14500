// What shape functions share.

#ifndef KERASOPT_TENSORFLOW_OP_SHAPES_H_
#define KERASOPT_TENSORFLOW_OP_SHAPES_H_

#include "invalid_argument.h"
#include "kernels/image_lines.h"
#include "tensorflow/core/framework/shape_inference.h"

namespace kerasopt {

// How many windows fit along an axis, or an error if none does.
inline absl::Status OutputSize(tensorflow::shape_inference::InferenceContext* c,
                               tensorflow::shape_inference::DimensionHandle input, int64_t kernel,
                               int stride, int dilation, const Padding& padding,
                               tensorflow::shape_inference::DimensionHandle* output) {
  *output = c->UnknownDim();
  if (!c->ValueKnown(input)) return absl::OkStatus();
  const Window window = MakeWindow(c->Value(input), kernel, stride, dilation, padding);
  if (window.output < 1) {
    return InvalidArgument("The kernel must fit into the input. Received: input size=",
                           window.input, ", kernel size=", window.kernel,
                           ", dilation rate=", dilation);
  }
  *output = c->MakeDim(window.output);
  return absl::OkStatus();
}

}  // namespace kerasopt

#endif  // KERASOPT_TENSORFLOW_OP_SHAPES_H_
