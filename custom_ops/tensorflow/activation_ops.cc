// Registration and shape functions of the operations that have activations only: sums and products
// of two tensors, pooling, and functions.

#include <vector>

#include "op_shapes.h"
#include "pair_attributes.h"
#include "tensorflow/core/framework/common_shape_fns.h"
#include "tensorflow/core/framework/op.h"

namespace kerasopt {
namespace {

using tensorflow::shape_inference::BroadcastBinaryOpOutputShapeFnHelper;
using tensorflow::shape_inference::BroadcastBinaryOpShapeFn;

// The shape of an input with its axes in the order of an attribute.
Status OrderedShape(InferenceContext* c, int input, const char* name, ShapeHandle* shape) {
  std::vector<int64_t> order;
  TF_RETURN_IF_ERROR(GetOrder(c, name, &order));
  if (order.empty()) return c->WithRankAtLeast(c->input(input), 2, shape);
  TF_RETURN_IF_ERROR(c->WithRank(c->input(input), order.size(), shape));
  std::vector<DimensionHandle> sizes;
  for (int64_t axis : order) sizes.push_back(c->Dim(*shape, axis));
  return c->WithRankAtLeast(c->MakeShape(sizes), 2, shape);
}

Status BatchMatMulShape(InferenceContext* c) {
  ShapeHandle x0, x1, batch0, batch1, batch, out;
  DimensionHandle depth;
  TF_RETURN_IF_ERROR(OrderedShape(c, 0, "order0", &x0));
  TF_RETURN_IF_ERROR(OrderedShape(c, 1, "order1", &x1));
  TF_RETURN_IF_ERROR(c->Merge(c->Dim(x0, -1), c->Dim(x1, -2), &depth));
  TF_RETURN_IF_ERROR(c->Subshape(x0, 0, -2, &batch0));
  TF_RETURN_IF_ERROR(c->Subshape(x1, 0, -2, &batch1));
  TF_RETURN_IF_ERROR(BroadcastBinaryOpOutputShapeFnHelper(c, batch0, batch1, true, &batch));
  TF_RETURN_IF_ERROR(c->Concatenate(batch, c->Matrix(c->Dim(x0, -2), c->Dim(x1, -1)), &out));
  c->set_output(0, out);
  return absl::OkStatus();
}

Status MeanShape(InferenceContext* c) {
  ShapeHandle x;
  bool keepdims;
  TF_RETURN_IF_ERROR(c->WithRank(c->input(0), 4, &x));
  TF_RETURN_IF_ERROR(c->GetAttr("keepdims", &keepdims));
  c->set_output(0, keepdims
                       ? c->MakeShape({c->Dim(x, 0), c->MakeDim(1), c->MakeDim(1), c->Dim(x, 3)})
                       : c->MakeShape({c->Dim(x, 0), c->Dim(x, 3)}));
  return absl::OkStatus();
}

Status PoolShape(InferenceContext* c) {
  ShapeHandle x;
  DimensionHandle image[2];
  PoolAttributes pool;
  TF_RETURN_IF_ERROR(pool.Init(c));
  TF_RETURN_IF_ERROR(c->WithRank(c->input(0), 4, &x));
  for (int axis : {0, 1}) {
    TF_RETURN_IF_ERROR(
        OutputSize(c, c->Dim(x, axis + 1), pool.pool_size[axis], pool.window, axis, &image[axis]));
  }
  c->set_output(0, c->MakeShape({c->Dim(x, 0), image[0], image[1], c->Dim(x, 3)}));
  return absl::OkStatus();
}

// The shape of x; further inputs are vectors of a value for each entry of its last axis.
Status RowsShape(InferenceContext* c) {
  ShapeHandle x, vector;
  DimensionHandle size;
  TF_RETURN_IF_ERROR(c->WithRankAtLeast(c->input(0), 1, &x));
  for (int i = 1; i < c->num_inputs(); ++i) {
    TF_RETURN_IF_ERROR(c->WithRank(c->input(i), 1, &vector));
    TF_RETURN_IF_ERROR(c->Merge(c->Dim(x, -1), c->Dim(vector, 0), &size));
  }
  c->set_output(0, x);
  return absl::OkStatus();
}

// The shape of x; a table has 256 values.
template <int kLeastRank>
Status TableShape(InferenceContext* c) {
  ShapeHandle x, table;
  DimensionHandle size;
  TF_RETURN_IF_ERROR(c->WithRankAtLeast(c->input(0), kLeastRank, &x));
  TF_RETURN_IF_ERROR(c->WithRank(c->input(1), 1, &table));
  TF_RETURN_IF_ERROR(c->WithValue(c->Dim(table, 0), 256, &size));
  c->set_output(0, x);
  return absl::OkStatus();
}

#define KERASOPT_PAIR_ATTRS \
  Attr("zero_point0: int").Attr("zero_point1: int").Attr("output_zero_point: int")

#define KERASOPT_POOL                     \
  Input("x: int8")                        \
      .Output("y: int8")                  \
      .Attr("pool_size: list(int) >= 2")  \
      .Attr("strides: list(int) >= 2")    \
      .Attr("padding: {'same', 'valid'}") \
      .SetShapeFn(PoolShape)

REGISTER_OP("KerasoptQuantizedAdd")
    .Input("x0: T")
    .Input("x1: T")
    .Output("y: T")
    .Attr("T: {int8, int16} = DT_INT8")
    .Attr("multiplier0: int")
    .Attr("multiplier1: int")
    .Attr("shift: int")
    .KERASOPT_PAIR_ATTRS.Attr("output_min: int = -128")
    .Attr("output_max: int = 127")
    .SetShapeFn(BroadcastBinaryOpShapeFn);

REGISTER_OP("KerasoptQuantizedMultiply")
    .Input("x0: int8")
    .Input("x1: int8")
    .Output("y: int8")
    .Attr("multiplier: float")
    .KERASOPT_PAIR_ATTRS.Attr("output_min: int = -128")
    .Attr("output_max: int = 127")
    .SetShapeFn(BroadcastBinaryOpShapeFn);

REGISTER_OP("KerasoptQuantizedBatchMatMul")
    .Input("x0: int8")
    .Input("x1: int8")
    .Output("y: int8")
    .Attr("multiplier: float")
    .Attr("order0: list(int) = []")
    .Attr("order1: list(int) = []")
    .KERASOPT_PAIR_ATTRS.SetShapeFn(BatchMatMulShape);

REGISTER_OP("KerasoptQuantizedMean")
    .Input("x: int8")
    .Output("y: int8")
    .Attr("scale_ratio: float")
    .Attr("input_zero_point: int")
    .Attr("output_zero_point: int")
    .Attr("keepdims: bool = false")
    .SetShapeFn(MeanShape);

REGISTER_OP("KerasoptQuantizedAveragePool")
    .KERASOPT_POOL.Attr("scale_ratio: float")
    .Attr("input_zero_point: int")
    .Attr("output_zero_point: int");

REGISTER_OP("KerasoptMaxPool").KERASOPT_POOL;

REGISTER_OP("KerasoptLookUp")
    .Input("x: int8")
    .Input("table: int8")
    .Output("y: int8")
    .SetShapeFn(TableShape<0>);

REGISTER_OP("KerasoptQuantizedSoftmax")
    .Input("x: int8")
    .Input("table: int32")
    .Output("y: int8")
    .SetShapeFn(TableShape<1>);

REGISTER_OP("KerasoptQuantizedLayerNormalization")
    .Input("x: int8")
    .Input("gain: float32")
    .Input("offset: int32")
    .Output("y: int8")
    .Attr("epsilon: float")
    .Attr("output_zero_point: int")
    .SetShapeFn(RowsShape);

}  // namespace
}  // namespace kerasopt
