// What shape functions share.

#ifndef KERASOPT_TENSORFLOW_OP_SHAPES_H_
#define KERASOPT_TENSORFLOW_OP_SHAPES_H_

#include "tensorflow/core/framework/shape_inference.h"
#include "window_attributes.h"

namespace kerasopt {

// How many windows fit along an axis, or an error if none does.
inline absl::Status OutputSize(tensorflow::shape_inference::InferenceContext* c,
                               tensorflow::shape_inference::DimensionHandle input, int64_t kernel,
                               const WindowAttributes& windows, int axis,
                               tensorflow::shape_inference::DimensionHandle* output) {
  *output = c->UnknownDim();
  if (!c->ValueKnown(input)) return absl::OkStatus();
  Window window = {};
  TF_RETURN_IF_ERROR(windows.Make(c->Value(input), kernel, axis, &window));
  *output = c->MakeDim(window.output);
  return absl::OkStatus();
}

}  // namespace kerasopt

#endif  // KERASOPT_TENSORFLOW_OP_SHAPES_H_
