// What shape functions share.

#ifndef KERASOPT_TENSORFLOW_OP_SHAPES_H_
#define KERASOPT_TENSORFLOW_OP_SHAPES_H_

#include "tensorflow/core/framework/shape_inference.h"
#include "window_attributes.h"

namespace kerasopt {

using absl::Status;
using tensorflow::shape_inference::DimensionHandle;
using tensorflow::shape_inference::InferenceContext;
using tensorflow::shape_inference::ShapeHandle;

// How many windows fit along an axis, or an error if none does.
inline Status OutputSize(InferenceContext* c, DimensionHandle input, int64_t kernel,
                         const WindowAttributes& windows, int axis, DimensionHandle* output) {
  *output = c->UnknownDim();
  if (!c->ValueKnown(input)) return absl::OkStatus();
  Window window = {};
  TF_RETURN_IF_ERROR(windows.Make(c->Value(input), kernel, axis, &window));
  *output = c->MakeDim(window.output);
  return absl::OkStatus();
}

}  // namespace kerasopt

#endif  // KERASOPT_TENSORFLOW_OP_SHAPES_H_
