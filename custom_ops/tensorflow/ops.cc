// Registration and shape functions of the operations with weights, and of those between float32 and
// integers. Integers are attributes, since they are fixed when a layer is
// built; biases, multipliers and scales are tensors, so that no compiler sees them as constants
// to rewrite arithmetic with.

#include "attributes.h"
#include "op_shapes.h"
#include "sparse_weights.h"
#include "tensorflow/core/framework/common_shape_fns.h"
#include "tensorflow/core/framework/op.h"
#include "tensorflow/core/framework/shape_inference.h"

namespace kerasopt {
namespace {

using absl::Status;
using tensorflow::shape_inference::DimensionHandle;
using tensorflow::shape_inference::InferenceContext;
using tensorflow::shape_inference::ShapeHandle;

Status MatMulShape(InferenceContext* c) {
  ShapeHandle x, weights, leading, out;
  DimensionHandle depth;
  std::vector<int64_t> kernel;
  TF_RETURN_IF_ERROR(GetKernelShape(c, 2, &kernel));
  TF_RETURN_IF_ERROR(c->WithRank(c->input(1), 1, &weights));
  TF_RETURN_IF_ERROR(c->WithRankAtLeast(c->input(0), 2, &x));
  TF_RETURN_IF_ERROR(c->WithValue(c->Dim(x, -1), kernel[0], &depth));
  TF_RETURN_IF_ERROR(c->Subshape(x, 0, -1, &leading));
  TF_RETURN_IF_ERROR(c->Concatenate(leading, c->Vector(kernel[1]), &out));
  c->set_output(0, out);
  return absl::OkStatus();
}

template <int64_t kElementInputs>
Status SparseMatMulShape(InferenceContext* c) {
  ShapeHandle x, weights, leading, out;
  DimensionHandle depth;
  SparseShape shape;
  TF_RETURN_IF_ERROR(GetSparseShape(c, kElementInputs, &shape));
  TF_RETURN_IF_ERROR(c->WithRank(c->input(1), 1, &weights));
  TF_RETURN_IF_ERROR(c->WithRankAtLeast(c->input(0), 2, &x));
  TF_RETURN_IF_ERROR(c->WithValue(c->Dim(x, -1), shape.depth, &depth));
  TF_RETURN_IF_ERROR(c->Subshape(x, 0, -1, &leading));
  TF_RETURN_IF_ERROR(c->Concatenate(leading, c->Vector(shape.columns), &out));
  c->set_output(0, out);
  return absl::OkStatus();
}

// The shape of an image that a kernel of the given height and width has passed.
Status WindowShape(InferenceContext* c, const std::vector<int64_t>& kernel, int64_t channels,
                   int64_t filters) {
  ShapeHandle x, weights;
  DimensionHandle height, width;
  WindowAttributes window;
  TF_RETURN_IF_ERROR(window.Init(c));
  TF_RETURN_IF_ERROR(c->WithRank(c->input(1), 1, &weights));
  TF_RETURN_IF_ERROR(c->WithRank(c->input(0), 4, &x));
  TF_RETURN_IF_ERROR(c->WithValue(c->Dim(x, 3), channels, &height));
  TF_RETURN_IF_ERROR(OutputSize(c, c->Dim(x, 1), kernel[0], window, 0, &height));
  TF_RETURN_IF_ERROR(OutputSize(c, c->Dim(x, 2), kernel[1], window, 1, &width));
  c->set_output(0, c->MakeShape({c->Dim(x, 0), height, width, c->MakeDim(filters)}));
  return absl::OkStatus();
}

Status ConvolutionShapeFunction(InferenceContext* c) {
  std::vector<int64_t> kernel;
  int64_t groups;
  TF_RETURN_IF_ERROR(GetKernelShape(c, 4, &kernel));
  TF_RETURN_IF_ERROR(GetGroups(c, kernel[3], &groups));
  return WindowShape(c, kernel, kernel[2] * groups, kernel[3]);
}

Status DepthwiseShapeFunction(InferenceContext* c) {
  std::vector<int64_t> kernel;
  TF_RETURN_IF_ERROR(GetKernelShape(c, 4, &kernel));
  return WindowShape(c, kernel, kernel[2], kernel[2] * kernel[3]);
}

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

#define KERASOPT_OUTPUT_ATTRS       \
  Attr("input_zero_point: int")     \
      .Attr("output_zero_point: int") \
      .Attr("output_min: int = -128") \
      .Attr("output_max: int = 127")

#define KERASOPT_WINDOW_ATTRS                        \
  Attr("strides: list(int) >= 2 = [1, 1]")           \
      .Attr("padding: {'same', 'valid'} = 'valid'")  \
      .Attr("pads: list(int) = [0, 0, 0, 0]")        \
      .Attr("dilation_rate: list(int) >= 2 = [1, 1]")

// `weights` has the kernel, whose shape is an attribute, the biases and the multipliers, in the
// order that kerasopt/ops/packed_weights.py tells.
#define KERASOPT_CONTRACTION                     \
  Input("x: T")                                  \
      .Input("weights: int8")                    \
      .Output("y: T")                            \
      .Attr("T: {int8, int16} = DT_INT8")        \
      .Attr("kernel_shape: list(int)")

#define KERASOPT_WEIGHT_FORMAT Attr("weight_format: {'int8', 'int4', '2:4'} = 'int8'")

REGISTER_OP("KerasoptQuantizedMatMul")
    .KERASOPT_CONTRACTION.KERASOPT_WEIGHT_FORMAT.KERASOPT_OUTPUT_ATTRS.SetShapeFn(MatMulShape);

REGISTER_OP("KerasoptDynamicMatMul")
    .Input("x: float32")
    .Input("weights: int8")
    .Output("y: float32")
    .Attr("kernel_shape: list(int)")
    .KERASOPT_WEIGHT_FORMAT.SetShapeFn(MatMulShape);

REGISTER_OP("KerasoptQuantizedConv2D")
    .KERASOPT_CONTRACTION.KERASOPT_WEIGHT_FORMAT.Attr("groups: int >= 1 = 1")
    .KERASOPT_WINDOW_ATTRS.KERASOPT_OUTPUT_ATTRS.SetShapeFn(ConvolutionShapeFunction);

REGISTER_OP("KerasoptQuantizedDepthwiseConv2D")
    .KERASOPT_CONTRACTION.KERASOPT_WINDOW_ATTRS.KERASOPT_OUTPUT_ATTRS.SetShapeFn(DepthwiseShapeFunction);

REGISTER_OP("KerasoptBinaryConv2D")
    .Input("x: float32")
    .Input("weights: int8")
    .Output("y: float32")
    .Attr("kernel_shape: list(int)")
    .KERASOPT_WINDOW_ATTRS.SetShapeFn([](InferenceContext* c) {
      std::vector<int64_t> kernel;
      TF_RETURN_IF_ERROR(GetKernelShape(c, 4, &kernel));
      return WindowShape(c, kernel, kernel[2], kernel[3]);
    });

#define KERASOPT_HALF             \
  Input("x: float32")             \
      .Input("weights: int8")     \
      .Output("y: float32")       \
      .Attr("kernel_shape: list(int)") \
      .Attr("weight_format: {'float16', 'bfloat16'}")

REGISTER_OP("KerasoptHalfMatMul").KERASOPT_HALF.SetShapeFn(MatMulShape);

REGISTER_OP("KerasoptHalfConv2D")
    .KERASOPT_HALF.Attr("groups: int >= 1 = 1")
    .KERASOPT_WINDOW_ATTRS.SetShapeFn(ConvolutionShapeFunction);

// `weights` are in the order that kerasopt/ops/sparse_weights.py tells.
#define KERASOPT_SPARSE                \
  Attr("kernel_shape: list(int)")      \
      .Attr("entries: int >= 0")       \
      .Attr("block_columns: int >= 1")

REGISTER_OP("KerasoptSparseQuantizedMatMul")
    .Input("x: int8")
    .Input("weights: int8")
    .Output("y: int8")
    .KERASOPT_SPARSE.KERASOPT_OUTPUT_ATTRS.SetShapeFn(SparseMatMulShape<4>);

REGISTER_OP("KerasoptSparseMatMul")
    .Input("x: float32")
    .Input("weights: int8")
    .Output("y: float32")
    .KERASOPT_SPARSE.SetShapeFn(SparseMatMulShape<1>);

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
