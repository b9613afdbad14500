// XLA kernels of the sparse matrix multiplications: the kernel is made dense again.

#include <vector>

#include "kernels/sparse/sparse_kernel.h"
#include "sparse_weights.h"
#include "xla/hlo/builder/lib/arithmetic.h"
#include "xla/hlo/builder/lib/constants.h"
#include "xla_contraction.h"

namespace kerasopt {
namespace {

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
    const xla::XlaOp block =
        xla::Reduce(xla::ConvertElementType(is_behind, xla::S32), xla::Zero(builder, xla::S32),
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
    kernel = xla::Scatter(kernel, indices, values, xla::CreateScalarAddComputation(type, builder),
                          numbers);
  }
  kernel = xla::Reshape(kernel, {shape.blocks(), shape.elements(), width, shape.element_inputs});
  kernel = xla::Reshape(xla::Transpose(kernel, {1, 3, 0, 2}),
                        {shape.elements() * shape.element_inputs, shape.blocks() * width});
  return xla::Slice(kernel, {0, 0}, {shape.depth, shape.columns}, {1, 1});
}

// `Base` is XlaOpKernel, or what derives from it.
template <typename Base>
class XlaSparse : public Base {
 public:
  XlaSparse(OpKernelConstruction* context, int64_t element_inputs) : Base(context) {
    OP_REQUIRES_OK(context, GetSparseShape(context, element_inputs, &shape_));
  }

  void Compile(XlaOpKernelContext* context) override {
    const SparseLayout layout(shape_, shape_.element_inputs == 4);
    OP_REQUIRES_OK(context, CheckRows(InputShape(context, 0), shape_.depth));
    OP_REQUIRES_OK(context, CheckWeights(InputShape(context, 1), layout.size));
    const xla::XlaOp weights = context->Input(1), kernel = Dense(weights, shape_, layout);
    context->SetOutput(0, Multiply(context->Input(0), kernel, weights, layout));
  }

 protected:
  virtual xla::XlaOp Multiply(xla::XlaOp x, xla::XlaOp kernel, xla::XlaOp weights,
                              const SparseLayout& layout) const = 0;

  // A value of each column, at an offset of the weights.
  xla::XlaOp Columns(xla::XlaOp weights, int64_t offset, xla::PrimitiveType type) const {
    return Part(weights, offset, shape_.columns, 4, type);
  }

 private:
  SparseShape shape_;
};

class XlaSparseQuantizedMatMul : public XlaSparse<XlaContraction> {
 public:
  explicit XlaSparseQuantizedMatMul(OpKernelConstruction* context) : XlaSparse(context, 4) {}

 protected:
  xla::XlaOp Multiply(xla::XlaOp x, xla::XlaOp kernel, xla::XlaOp weights,
                      const SparseLayout& layout) const override {
    return Finish(MatMul(x, kernel, xla::S32), kernel, {0}, Columns(weights, layout.bias, xla::S32),
                  UsableOrZero(Columns(weights, layout.multiplier, xla::F32)));
  }
};

class XlaSparseMatMul : public XlaSparse<XlaOpKernel> {
 public:
  explicit XlaSparseMatMul(OpKernelConstruction* context) : XlaSparse(context, 1) {}

 protected:
  xla::XlaOp Multiply(xla::XlaOp x, xla::XlaOp kernel, xla::XlaOp weights,
                      const SparseLayout& layout) const override {
    const xla::XlaOp sums = MatMul(x, kernel, xla::F32);
    const std::vector<int64_t> shape = Dimensions(sums);
    const xla::XlaOp bias = Columns(weights, layout.bias, xla::F32);
    return sums + xla::BroadcastInDim(bias, shape, {static_cast<int64_t>(shape.size()) - 1});
  }
};

KERASOPT_REGISTER_XLA("KerasoptSparseQuantizedMatMul", XlaSparseQuantizedMatMul);
KERASOPT_REGISTER_XLA("KerasoptSparseMatMul", XlaSparseMatMul);

}  // namespace
}  // namespace kerasopt
