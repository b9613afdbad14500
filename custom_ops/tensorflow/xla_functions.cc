// XLA kernels of functions of int8 tensors: the steps of the references in
// kerasopt/ops/reference/functions.py and normalization.py.

#include <numeric>
#include <vector>

#include "kernels/elementwise/functions.h"
#include "kernels/elementwise/table.h"
#include "xla/hlo/builder/lib/arithmetic.h"
#include "xla/hlo/builder/lib/constants.h"
#include "xla_support.h"

namespace kerasopt {
namespace {

xla::XlaOp ToInt32(xla::XlaOp x) { return xla::ConvertElementType(x, xla::S32); }
xla::XlaOp ToFloat(xla::XlaOp x) { return xla::ConvertElementType(x, xla::F32); }

// table[index], elementwise.
xla::XlaOp Take(xla::XlaOp table, xla::XlaOp index) {
  xla::GatherDimensionNumbers numbers;
  numbers.add_collapsed_slice_dims(0);
  numbers.add_start_index_map(0);
  numbers.set_index_vector_dim(Dimensions(index).size());
  return xla::Gather(table, index, numbers, {1});
}

// Rows along the last axis of a tensor.
class Rows {
 public:
  explicit Rows(xla::XlaOp x) : shape_(Dimensions(x)), leading_(shape_.size() - 1) {
    std::iota(leading_.begin(), leading_.end(), 0);
  }

  int64_t size() const { return shape_.back(); }
  int64_t axis() const { return leading_.size(); }
  // A value of each row, or of each column, in the shape of the tensor.
  xla::XlaOp OfRows(xla::XlaOp op) const { return xla::BroadcastInDim(op, shape_, leading_); }
  xla::XlaOp OfColumns(xla::XlaOp op) const { return xla::BroadcastInDim(op, shape_, {axis()}); }

  xla::XlaOp Sum(xla::XlaOp x) const {
    xla::XlaBuilder* builder = x.builder();
    return xla::Reduce(x, xla::Zero(builder, xla::S32),
                       xla::CreateScalarAddComputation(xla::S32, builder), {axis()});
  }

 private:
  std::vector<int64_t> shape_, leading_;
};

class XlaLookUp : public XlaOpKernel {
 public:
  using XlaOpKernel::XlaOpKernel;

  void Compile(XlaOpKernelContext* context) override {
    OP_REQUIRES_OK(context, CheckVector("table", InputShape(context, 1), 256));
    const xla::XlaOp x = ToInt32(context->Input(0));
    context->SetOutput(0, Take(context->Input(1), x + Scalar(x, 128)));
  }
};

class XlaQuantizedSoftmax : public XlaOpKernel {
 public:
  using XlaOpKernel::XlaOpKernel;

  void Compile(XlaOpKernelContext* context) override {
    OP_REQUIRES_OK(context, CheckLastAxis(InputShape(context, 0), kLongestSoftmax));
    OP_REQUIRES_OK(context, CheckVector("table", InputShape(context, 1), 256));
    const xla::XlaOp x = ToInt32(context->Input(0));
    xla::XlaBuilder* builder = x.builder();
    const Rows rows(x);
    const xla::XlaOp largest =
        xla::Reduce(x, xla::MinValue(builder, xla::S32),
                    xla::CreateScalarMaxComputation(xla::S32, builder), {rows.axis()});
    const xla::XlaOp powers = Take(context->Input(1), rows.OfRows(largest) - x);
    const xla::XlaOp high = rows.Sum(xla::ShiftRightArithmetic(powers, Scalar(x, 12)));
    const xla::XlaOp low = rows.Sum(xla::And(powers, Scalar(x, 4095)));
    // The product is exact, so contracting it and the sum changes nothing.
    const xla::XlaOp total = ToFloat(high) * Scalar(x, 4096.0f) + ToFloat(low);
    const xla::XlaOp q =
        ToInt32(xla::RoundNearestEven(ToFloat(powers) * Scalar(x, 256.0f) / rows.OfRows(total)));
    context->SetOutput(
        0, xla::ConvertElementType(xla::Min(q - Scalar(x, 128), Scalar(x, 127)), xla::S8));
  }
};

class XlaQuantizedLayerNormalization : public XlaOpKernel {
 public:
  explicit XlaQuantizedLayerNormalization(OpKernelConstruction* context) : XlaOpKernel(context) {
    OP_REQUIRES_OK(context, GetEpsilon(context, &epsilon_));
    OP_REQUIRES_OK(context,
                   GetZeroPoint<int8_t>(context, "output_zero_point", &output_zero_point_));
  }

  void Compile(XlaOpKernelContext* context) override {
    const TensorShape shape = InputShape(context, 0);
    OP_REQUIRES_OK(context, CheckLastAxis(shape, kLongestRow));
    const int64_t columns = shape.dim_size(shape.dims() - 1);
    OP_REQUIRES_OK(context, CheckVector("gain", InputShape(context, 1), columns));
    OP_REQUIRES_OK(context, CheckVector("offset", InputShape(context, 2), columns));
    if (shape.num_elements() == 0) return context->SetOutput(0, context->Input(0));
    const xla::XlaOp x = ToInt32(context->Input(0));
    const Rows rows(x);
    const int32_t size = static_cast<int32_t>(rows.size());
    const xla::XlaOp mean = ToInt32(
        xla::RoundNearestEven(ToFloat(rows.Sum(x)) * Scalar(x, static_cast<float>(1.0 / size))));
    const xla::XlaOp centred = x - rows.OfRows(mean);
    const xla::XlaOp total = rows.Sum(centred);
    const xla::XlaOp spread = rows.Sum(centred * centred) - total * total / Scalar(x, size);
    xla::XlaOp root = xla::RoundNearestEven(xla::Sqrt(ToFloat(spread) + Scalar(x, epsilon_)) *
                                            Scalar(x, 4096.0f));
    // An integer: XLA turns a division by a root into a product with another function.
    root = xla::Max(ToInt32(xla::Min(root, Scalar(x, kLargestRoot))), Scalar(x, 1));
    const xla::XlaOp scaled = ToFloat(centred * Scalar(x, size) - rows.OfRows(total)) /
                              rows.OfRows(ToFloat(root)) * rows.OfColumns(context->Input(1));
    const xla::XlaOp values =
        ToInt32(xla::Clamp(Scalar(x, -16777216.0f), xla::RoundNearestEven(scaled),
                           Scalar(x, 16777216.0f))) +
        rows.OfColumns(context->Input(2));
    xla::XlaOp q = xla::ShiftRightArithmetic(values + Scalar(x, 1 << 15), Scalar(x, 16));
    q = xla::Clamp(Scalar(x, -256), q, Scalar(x, 255)) + Scalar(x, output_zero_point_);
    q = xla::Clamp(Scalar(x, -128), q, Scalar(x, 127));
    context->SetOutput(0, xla::ConvertElementType(q, xla::S8));
  }

 private:
  float epsilon_;
  int32_t output_zero_point_;
};

KERASOPT_REGISTER_XLA("KerasoptLookUp", XlaLookUp);
KERASOPT_REGISTER_XLA("KerasoptQuantizedSoftmax", XlaQuantizedSoftmax);
KERASOPT_REGISTER_XLA("KerasoptQuantizedLayerNormalization", XlaQuantizedLayerNormalization);

}  // namespace
}  // namespace kerasopt
