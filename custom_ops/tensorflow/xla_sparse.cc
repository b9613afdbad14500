// XLA kernels of the sparse matrix multiplications: the kernel is made dense again.

#include <vector>

#include "kernels/sparse/sparse_kernel.h"
#include "sparse_weights.h"
#include "xla/hlo/builder/lib/arithmetic.h"
#include "xla/hlo/builder/lib/constants.h"
#include "xla_contraction.h"

namespace kerasopt {
namespace {

using tensorflow::OpKernelConstruction;
using tensorflow::XlaOpKernel;
using tensorflow::XlaOpKernelContext;

// A part of the weights, of `count` values of `bytes` bytes.
xla::XlaOp Part(xla::XlaOp weights, int64_t begin, int64_t count, int64_t bytes,
                xla::PrimitiveType type) {
  const xla::XlaOp part = xla::SliceInDim(weights, begin, begin + count * bytes, 1, 0);
  return xla::BitcastConvertType(xla::Reshape(part, {count, bytes}), type);
}

// The dense kernel (depth, columns), s8 or f32.
xla::XlaOp Dense(xla::XlaOp weights, const SparseShape& shape, const SparseLayout& layout) {
  xla::XlaBuilder* builder = weights.builder();
  const bool is_int8 = shape.element_inputs == 4;
  const xla::PrimitiveType type = is_int8 ? xla::S8 : xla::F32;
  const int64_t entries = shape.entries, width = shape.block_columns;
  const std::vector<int64_t> dense = {shape.blocks(), shape.elements(),
                                      width * shape.element_inputs};
  xla::XlaOp kernel = xla::Broadcast(xla::Zero(builder, type), dense);
  if (entries > 0) {
    const xla::XlaOp ends = Part(weights, layout.ends, shape.blocks(), 4, xla::S32);
    const xla::XlaOp rows =
        xla::ConvertElementType(Part(weights, layout.rows, entries, 2, xla::U16), xla::S32);
    // The block of an entry: how many blocks end before it.
    const std::vector<int64_t> pairs = {entries, shape.blocks()};
    const xla::XlaOp is_behind =
        xla::Le(xla::BroadcastInDim(ends, pairs, {1}),
                xla::Iota(builder, xla::ShapeUtil::MakeShape(xla::S32, pairs), 0));
    const xla::XlaOp block = xla::Reduce(
        xla::ConvertElementType(is_behind, xla::S32), xla::Zero(builder, xla::S32),
        xla::CreateScalarAddComputation(xla::S32, builder), {1});
    const xla::XlaOp indices = xla::ConcatInDim(
        builder, {xla::Reshape(block, {entries, 1}), xla::Reshape(rows, {entries, 1})}, 1);
    const int64_t size = width * shape.element_inputs;
    const xla::XlaOp values =
        xla::Reshape(is_int8 ? xla::SliceInDim(weights, 0, shape.value_bytes(), 1, 0)
                             : Part(weights, 0, entries * size, 4, type),
                     {entries, size});
    xla::ScatterDimensionNumbers numbers;
    numbers.add_update_window_dims(1);
    for (int axis : {0, 1}) {
      numbers.add_inserted_window_dims(axis);
      numbers.add_scatter_dims_to_operand_dims(axis);
    }
    numbers.set_index_vector_dim(1);
    kernel = xla::Scatter(kernel, indices, values,
                          xla::CreateScalarAddComputation(type, builder), numbers);
  }
  kernel = xla::Reshape(kernel, {shape.blocks(), shape.elements(), width, shape.element_inputs});
  kernel = xla::Reshape(xla::Transpose(kernel, {1, 3, 0, 2}),
                        {shape.elements() * shape.element_inputs, shape.blocks() * width});
  return xla::Slice(kernel, {0, 0}, {shape.depth, shape.columns}, {1, 1});
}

class XlaSparseQuantizedMatMul : public XlaContraction {
 public:
  explicit XlaSparseQuantizedMatMul(OpKernelConstruction* context) : XlaContraction(context) {
    OP_REQUIRES_OK(context, GetSparseShape(context, 4, &shape_));
  }

  void Compile(XlaOpKernelContext* context) override {
    const SparseLayout layout(shape_, true);
    OP_REQUIRES_OK(context, CheckRows(InputShape(context, 0), shape_.depth));
    OP_REQUIRES_OK(context, CheckWeights(InputShape(context, 1), layout.size));
    const xla::XlaOp weights = context->Input(1);
    const xla::XlaOp kernel = Dense(weights, shape_, layout);
    const xla::XlaOp sums = MatMul(context->Input(0), kernel, xla::S32);
    context->SetOutput(
        0, Finish(sums, kernel, {0}, Part(weights, layout.bias, shape_.columns, 4, xla::S32),
                  UsableOrZero(Part(weights, layout.multiplier, shape_.columns, 4, xla::F32))));
  }

 private:
  SparseShape shape_;
};

class XlaSparseMatMul : public XlaOpKernel {
 public:
  explicit XlaSparseMatMul(OpKernelConstruction* context) : XlaOpKernel(context) {
    OP_REQUIRES_OK(context, GetSparseShape(context, 1, &shape_));
  }

  void Compile(XlaOpKernelContext* context) override {
    const SparseLayout layout(shape_, false);
    OP_REQUIRES_OK(context, CheckRows(InputShape(context, 0), shape_.depth));
    OP_REQUIRES_OK(context, CheckWeights(InputShape(context, 1), layout.size));
    const xla::XlaOp weights = context->Input(1);
    const xla::XlaOp sums = MatMul(context->Input(0), Dense(weights, shape_, layout), xla::F32);
    const std::vector<int64_t> shape = Dimensions(sums);
    const xla::XlaOp bias = Part(weights, layout.bias, shape_.columns, 4, xla::F32);
    context->SetOutput(
        0, sums + xla::BroadcastInDim(bias, shape, {static_cast<int64_t>(shape.size()) - 1}));
  }

 private:
  SparseShape shape_;
};

KERASOPT_REGISTER_XLA("KerasoptSparseQuantizedMatMul", XlaSparseQuantizedMatMul);
KERASOPT_REGISTER_XLA("KerasoptSparseMatMul", XlaSparseMatMul);

}  // namespace
}  // namespace kerasopt
