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
  }

  void Compile(XlaOpKernelContext* context) override {
    const Shape shape0 = InputDimensions(context, 0), shape1 = InputDimensions(context, 1);
    Shape batch0, batch1, shape;
    OP_REQUIRES(context, ProductShape(shape0, shape1, &batch0, &batch1, &shape),
                InvalidArgument("x0 and x1 must have shapes (..., rows, depth) and (..., depth, "
                                "columns). Received: x0.shape=",
                                InputShape(context, 0).DebugString(),
                                ", x1.shape=", InputShape(context, 1).DebugString()));
    const int64_t axes = static_cast<int64_t>(batch0.size()), depth = shape0.back();
    const Shape batch(shape.begin(), shape.end() - 2);
    const int32_t zero_point0 = product_.zero_point0, zero_point1 = product_.zero_point1;
    const xla::XlaOp x0 = Broadcast(context->Input(0), shape0, batch);
    const xla::XlaOp x1 = Broadcast(context->Input(1), shape1, batch);
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
};

KERASOPT_REGISTER_XLA("KerasoptQuantizedBatchMatMul", XlaQuantizedBatchMatMul);

}  // namespace
}  // namespace kerasopt
