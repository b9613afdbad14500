// XLA kernel of the products of pairs of int8 matrices: s8 operands, s32 result.

#include <numeric>
#include <vector>

#include "pair_attributes.h"
#include "xla/hlo/builder/lib/arithmetic.h"
#include "xla/hlo/builder/lib/constants.h"
#include "xla_support.h"

namespace kerasopt {
namespace {

using Shape = std::vector<int64_t>;

class XlaQuantizedBatchMatMul : public XlaOpKernel {
 public:
  explicit XlaQuantizedBatchMatMul(OpKernelConstruction* context) : XlaOpKernel(context) {
    OP_REQUIRES_OK(context, GetMatrixProduct(context, &product_));
    OP_REQUIRES_OK(context, GetOrder(context, "order0", &orders_[0]));
    OP_REQUIRES_OK(context, GetOrder(context, "order1", &orders_[1]));
  }

  void Compile(XlaOpKernelContext* context) override {
    Strided operand0(InputDimensions(context, 0)), operand1(InputDimensions(context, 1));
    Shape shape;
    OP_REQUIRES(context,
                PutInOrder(orders_[0], &operand0) && PutInOrder(orders_[1], &operand1) &&
                    ProductShape(operand0.shape, operand1.shape, &shape),
                InvalidArgument("x0 and x1 must have shapes (..., rows, depth) and (..., depth, "
                                "columns). Received: x0.shape=",
                                InputShape(context, 0).DebugString(),
                                ", x1.shape=", InputShape(context, 1).DebugString()));
    const Shape &shape0 = operand0.shape, &shape1 = operand1.shape;
    const int64_t axes = static_cast<int64_t>(shape.size()) - 2, depth = shape0.back();
    const Shape batch(shape.begin(), shape.end() - 2);
    const int32_t zero_point0 = product_.zero_point0, zero_point1 = product_.zero_point1;
    const xla::XlaOp x0 = Broadcast(Ordered(context, 0), shape0, batch);
    const xla::XlaOp x1 = Broadcast(Ordered(context, 1), shape1, batch);
    xla::DotDimensionNumbers dimensions;
    for (int64_t i = 0; i < axes; ++i) {
      dimensions.add_lhs_batch_dimensions(i);
      dimensions.add_rhs_batch_dimensions(i);
    }
    dimensions.add_lhs_contracting_dimensions(axes + 1);
    dimensions.add_rhs_contracting_dimensions(axes);
    xla::XlaOp sums = xla::DotGeneral(x0, x1, dimensions, nullptr, xla::S32);
    // sum((x0 - z0) * (x1 - z1)), from sum(x0 * x1) and the sums of rows and of columns.
    sums = sums - Sums(x0, axes + 1, axes, shape) * Scalar(sums, zero_point1) -
           Sums(x1, axes, axes + 1, shape) * Scalar(sums, zero_point0) +
           Scalar(sums, static_cast<int32_t>(depth * zero_point0 * zero_point1));
    const SumParameters& output = product_.output;
    context->SetOutput(0, XlaRequantize(sums, Scalar(sums, output.multiplier),
                                        {output.output_zero_point, -128, 127}));
  }

 private:
  xla::XlaOp Ordered(XlaOpKernelContext* context, int input) const {
    const Shape& order = orders_[input];
    return order.empty() ? context->Input(input) : xla::Transpose(context->Input(input), order);
  }

  // With the given axes before those of its matrices.
  static xla::XlaOp Broadcast(xla::XlaOp x, const Shape& from, Shape to) {
    to.insert(to.end(), from.end() - 2, from.end());
    Shape axes(from.size());
    std::iota(axes.begin(), axes.end(), 0);
    return from == to ? x : xla::BroadcastInDim(x, to, axes);
  }

  // The sums along an axis, in a shape that has them along axis `along` of its matrices.
  static xla::XlaOp Sums(xla::XlaOp x, int64_t axis, int64_t along, const Shape& shape) {
    xla::XlaBuilder* builder = x.builder();
    const xla::XlaOp sums =
        xla::Reduce(xla::ConvertElementType(x, xla::S32), xla::Zero(builder, xla::S32),
                    xla::CreateScalarAddComputation(xla::S32, builder), {axis});
    Shape axes(shape.size() - 1);
    std::iota(axes.begin(), axes.end(), 0);
    axes.back() = along;
    return xla::BroadcastInDim(sums, shape, axes);
  }

  MatrixProduct product_ = {};
  Shape orders_[2];
};

KERASOPT_REGISTER_XLA("KerasoptQuantizedBatchMatMul", XlaQuantizedBatchMatMul);

}  // namespace
}  // namespace kerasopt
