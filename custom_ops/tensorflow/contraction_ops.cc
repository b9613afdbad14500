// Registration and shape functions of the operations with weights. Integers are attributes, since
// they are fixed when a layer is built; biases, multipliers and scales are tensors, so that no
// compiler sees them as constants to rewrite arithmetic with.

#include "attributes.h"
#include "op_shapes.h"
#include "sparse_weights.h"
#include "tensorflow/core/framework/op.h"
#include "weight_only_attributes.h"

namespace kerasopt {
namespace {

// The shape of rows of `depth` values that a kernel of `columns` columns has passed.
Status RowsShape(InferenceContext* c, int64_t depth, int64_t columns) {
  ShapeHandle x, weights, leading, out;
  DimensionHandle last;
  TF_RETURN_IF_ERROR(c->WithRank(c->input(1), 1, &weights));
  TF_RETURN_IF_ERROR(c->WithRankAtLeast(c->input(0), 2, &x));
  TF_RETURN_IF_ERROR(c->WithValue(c->Dim(x, -1), depth, &last));
  TF_RETURN_IF_ERROR(c->Subshape(x, 0, -1, &leading));
  TF_RETURN_IF_ERROR(c->Concatenate(leading, c->Vector(columns), &out));
  c->set_output(0, out);
  return absl::OkStatus();
}

Status WeightOnlyShape(InferenceContext* c) {
  WeightOnlyAttributes attributes;
  TF_RETURN_IF_ERROR(attributes.Init(c));
  return RowsShape(c, attributes.depth(), attributes.matrices() * attributes.columns());
}

Status MatMulShape(InferenceContext* c) {
  std::vector<int64_t> kernel;
  TF_RETURN_IF_ERROR(GetKernelShape(c, 2, &kernel));
  return RowsShape(c, kernel[0], kernel[1]);
}

template <int64_t kElementInputs>
Status SparseMatMulShape(InferenceContext* c) {
  SparseShape shape;
  TF_RETURN_IF_ERROR(GetSparseShape(c, kElementInputs, &shape));
  return RowsShape(c, shape.depth, shape.columns);
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

Status BinaryShapeFunction(InferenceContext* c) {
  std::vector<int64_t> kernel;
  TF_RETURN_IF_ERROR(GetKernelShape(c, 4, &kernel));
  return WindowShape(c, kernel, kernel[2], kernel[3]);
}

Status DepthwiseShapeFunction(InferenceContext* c) {
  std::vector<int64_t> kernel;
  TF_RETURN_IF_ERROR(GetKernelShape(c, 4, &kernel));
  return WindowShape(c, kernel, kernel[2], kernel[2] * kernel[3]);
}

#define KERASOPT_OUTPUT_ATTRS         \
  Attr("input_zero_point: int")       \
      .Attr("output_zero_point: int") \
      .Attr("output_min: int = -128") \
      .Attr("output_max: int = 127")

#define KERASOPT_WINDOW_ATTRS                       \
  Attr("strides: list(int) >= 2 = [1, 1]")          \
      .Attr("padding: {'same', 'valid'} = 'valid'") \
      .Attr("pads: list(int) = [0, 0, 0, 0]")       \
      .Attr("dilation_rate: list(int) >= 2 = [1, 1]")

// `weights` has the kernel, whose shape is an attribute, the biases and the multipliers, in the
// order that kerasopt/ops/packed_weights.py tells.
#define KERASOPT_CONTRACTION              \
  Input("x: T")                           \
      .Input("weights: int8")             \
      .Output("y: T")                     \
      .Attr("T: {int8, int16} = DT_INT8") \
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
    .KERASOPT_CONTRACTION.KERASOPT_WINDOW_ATTRS.KERASOPT_OUTPUT_ATTRS.SetShapeFn(
        DepthwiseShapeFunction);

REGISTER_OP("KerasoptBinaryConv2D")
    .Input("x: float32")
    .Input("weights: int8")
    .Output("y: float32")
    .Attr("kernel_shape: list(int)")
    .KERASOPT_WINDOW_ATTRS.SetShapeFn(BinaryShapeFunction);

#define KERASOPT_HALF                  \
  Input("x: float32")                  \
      .Input("weights: int8")          \
      .Output("y: float32")            \
      .Attr("kernel_shape: list(int)") \
      .Attr("weight_format: {'float16', 'bfloat16'}")

REGISTER_OP("KerasoptHalfMatMul").KERASOPT_HALF.SetShapeFn(MatMulShape);

REGISTER_OP("KerasoptHalfConv2D")
    .KERASOPT_HALF.Attr("groups: int >= 1 = 1")
    .KERASOPT_WINDOW_ATTRS.SetShapeFn(ConvolutionShapeFunction);

// `packed` are integers as kerasopt/inference/held/integer.py has them.
REGISTER_OP("KerasoptWeightOnlyMatMul")
    .Input("x: float32")
    .Input("packed: uint8")
    .Input("scale: float32")
    .Input("zero_point: int8")
    .Output("y: float32")
    .Attr("kernel_shape: list(int)")
    .Attr("bits: int")
    .Attr("group: int >= 1")
    .Attr("transposed: bool = false")
    .SetShapeFn(WeightOnlyShape);

// `weights` are in the order that kerasopt/ops/sparse_weights.py tells.
#define KERASOPT_SPARSE \
  Attr("kernel_shape: list(int)").Attr("entries: int >= 0").Attr("block_columns: int >= 1")

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

}  // namespace
}  // namespace kerasopt
