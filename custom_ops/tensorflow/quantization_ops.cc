// Registration and shape functions of the operations between float32 and integers. Scales are
// tensors, as in contraction_ops.cc.

#include "op_shapes.h"
#include "tensorflow/core/framework/common_shape_fns.h"
#include "tensorflow/core/framework/op.h"

namespace kerasopt {
namespace {

Status SameShape(InferenceContext* c) {
  ShapeHandle out;
  TF_RETURN_IF_ERROR(c->Merge(c->input(0), c->input(1), &out));
  c->set_output(0, out);
  return absl::OkStatus();
}

Status MinMaxShape(InferenceContext* c) {
  c->set_output(0, c->Scalar());
  c->set_output(1, c->Scalar());
  return absl::OkStatus();
}

REGISTER_OP("KerasoptQuantize")
    .Input("x: float32")
    .Input("scale: float32")
    .Output("y: T")
    .Attr("T: {int8, int16} = DT_INT8")
    .Attr("zero_point: int")
    .SetShapeFn(tensorflow::shape_inference::UnchangedShape);

REGISTER_OP("KerasoptFakeQuantize")
    .Input("x: float32")
    .Input("scale: float32")
    .Input("zero_point: float32")
    .Output("y: float32")
    .Attr("qmin: int = -128")
    .Attr("qmax: int = 127")
    .SetShapeFn(tensorflow::shape_inference::UnchangedShape);

REGISTER_OP("KerasoptFakeQuantizeGrad")
    .Input("upstream: float32")
    .Input("x: float32")
    .Input("scale: float32")
    .Input("zero_point: float32")
    .Output("dx: float32")
    .Attr("qmin: int = -128")
    .Attr("qmax: int = 127")
    .SetShapeFn(SameShape);

REGISTER_OP("KerasoptLearnedScaleGradients")
    .Input("upstream: float32")
    .Input("x: float32")
    .Input("scale: float32")
    .Input("zero_point: float32")
    .Output("dx: float32")
    .Output("by_scale: float32")
    .Output("clamped: float32")
    .Attr("qmin: int = -128")
    .Attr("qmax: int = 127")
    .SetShapeFn([](InferenceContext* c) {
      c->set_output(1, c->input(2));
      c->set_output(2, c->input(2));
      return SameShape(c);
    });

REGISTER_OP("KerasoptMinMax")
    .Input("x: float32")
    .Output("min: float32")
    .Output("max: float32")
    .SetShapeFn(MinMaxShape);

}  // namespace
}  // namespace kerasopt
