// XLA kernel of the products with packed integers. Sums are added in another order than the CPU
// kernel has.

#include <vector>

#include "weight_only_attributes.h"
#include "xla_support.h"

namespace kerasopt {
namespace {

class XlaWeightOnlyMatMul : public XlaOpKernel {
 public:
  explicit XlaWeightOnlyMatMul(OpKernelConstruction* context) : XlaOpKernel(context) {
    OP_REQUIRES_OK(context, attributes_.Init(context));
  }

  void Compile(XlaOpKernelContext* context) override {
    const WeightOnlyAttributes& a = attributes_;
    int64_t scale_rows;
    OP_REQUIRES_OK(context, CheckRows(InputShape(context, 0), a.depth()));
    OP_REQUIRES_OK(context, a.Check(InputShape(context, 1), InputShape(context, 2),
                                    InputShape(context, 3), &scale_rows));
    const xla::XlaOp weights =
        (Integers(context->Input(1)) -
         Spread(xla::ConvertElementType(context->Input(3), xla::F32), scale_rows)) *
        Spread(context->Input(2), scale_rows);
    xla::XlaOp kernel = xla::Reshape(weights, {a.matrices(), Stored(0), Stored(1)});
    kernel = xla::Transpose(
        kernel, a.transposed() ? std::vector<int64_t>{2, 0, 1} : std::vector<int64_t>{1, 0, 2});
    kernel = xla::Reshape(kernel, {a.depth(), a.matrices() * a.columns()});
    context->SetOutput(0, MatMul(context->Input(0), kernel, xla::F32));
  }

 private:
  // The rows or columns of the matrices as they are stored.
  int64_t Stored(int axis) const {
    return (axis == 0) == attributes_.transposed() ? attributes_.columns() : attributes_.depth();
  }

  // The shape of the weights, in which every scale has axes of its own.
  std::vector<int64_t> Shape(int64_t scale_rows) const {
    const WeightOnlyAttributes& a = attributes_;
    const int64_t turns = a.depth() / a.group() / scale_rows;
    if (a.transposed()) return {a.matrices(), a.columns(), turns, scale_rows, a.group()};
    return {a.matrices(), turns, scale_rows, a.group(), a.columns()};
  }

  // Values for each scale, as a vector of those of all weights.
  xla::XlaOp Spread(xla::XlaOp values, int64_t scale_rows) const {
    const WeightOnlyAttributes& a = attributes_;
    const std::vector<int64_t> shape = Shape(scale_rows);
    const int64_t size = a.matrices() * a.depth() * a.columns();
    const xla::XlaOp grid = xla::Reshape(
        values, a.transposed() ? std::vector<int64_t>{a.matrices(), a.columns(), scale_rows}
                               : std::vector<int64_t>{a.matrices(), scale_rows, a.columns()});
    const std::vector<int64_t> places =
        a.transposed() ? std::vector<int64_t>{0, 1, 3} : std::vector<int64_t>{0, 2, 4};
    return xla::Reshape(xla::BroadcastInDim(grid, shape, places), {size});
  }

  // The integers in bytes, as a vector of floats.
  xla::XlaOp Integers(xla::XlaOp packed) const {
    const int parts = 8 / attributes_.bits();
    const int64_t bytes = Dimensions(packed)[0];
    const std::vector<int64_t> shape = {bytes, parts};
    const xla::XlaOp wide =
        xla::BroadcastInDim(xla::ConvertElementType(packed, xla::S32), shape, {0});
    const xla::XlaOp part =
        xla::Iota(packed.builder(), xla::ShapeUtil::MakeShape(xla::S32, shape), 1);
    const int32_t count = 1 << attributes_.bits();
    const xla::XlaOp codes =
        xla::And(xla::ShiftRightLogical(wide, part * Scalar(part, attributes_.bits())),
                 Scalar(part, count - 1)) -
        Scalar(part, count / 2);
    return xla::Reshape(xla::ConvertElementType(codes, xla::F32), {bytes * parts});
  }

  WeightOnlyAttributes attributes_;
};

KERASOPT_REGISTER_XLA("KerasoptWeightOnlyMatMul", XlaWeightOnlyMatMul);

}  // namespace
}  // namespace kerasopt
