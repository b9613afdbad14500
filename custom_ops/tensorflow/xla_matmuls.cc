// XLA kernels of the integer matrix multiplications.

#include <limits>
#include <numeric>
#include <vector>

#include "op_weights.h"
#include "xla/hlo/builder/lib/math.h"
#include "xla_contraction.h"
#include "xla_packed.h"

namespace kerasopt {
namespace {

class XlaQuantizedMatMul : public XlaPackedMatMul<XlaContraction> {
 public:
  explicit XlaQuantizedMatMul(OpKernelConstruction* context) : XlaPackedMatMul(context, false) {}

 protected:
  Status CheckSum(int64_t products) const override {
    return CheckProducts(products, kMostInt16Products);
  }

  xla::XlaOp Multiply(XlaOpKernelContext* context, xla::XlaOp kernel,
                      int64_t columns) const override {
    return Contract(context->Input(0), kernel, {0}, Words(context, 1, columns, xla::S32),
                    Multipliers(context, columns), [](xla::XlaOp x, xla::XlaOp kernel, int32_t) {
                      return MatMul(x, kernel, xla::S32);
                    });
  }
};

// The steps of the reference, kerasopt/ops/reference/matmul.py.
class XlaDynamicMatMul : public XlaPackedMatMul<XlaOpKernel> {
 public:
  explicit XlaDynamicMatMul(OpKernelConstruction* context) : XlaPackedMatMul(context, false) {}

 protected:
  xla::XlaOp Multiply(XlaOpKernelContext* context, xla::XlaOp kernel,
                      int64_t columns) const override {
    xla::XlaOp x = context->Input(0);
    xla::XlaBuilder* builder = x.builder();
    const std::vector<int64_t> shape = Dimensions(x);
    const int64_t last = static_cast<int64_t>(shape.size()) - 1;
    std::vector<int64_t> leading(last);
    std::iota(leading.begin(), leading.end(), 0);
    const float largest = std::numeric_limits<float>::max();
    x = xla::Clamp(Scalar(x, -largest), xla::Select(xla::IsNan(x), xla::ZerosLike(x), x),
                   Scalar(x, largest));
    const xla::XlaOp magnitude = xla::Reduce(
        xla::Abs(x), Scalar(x, 0.0f), xla::CreateScalarMaxComputation(xla::F32, builder), {last});
    const xla::XlaOp step = magnitude * Scalar(x, 1.0f / 127.0f);
    xla::XlaOp weights_scale = Words(context, 0, columns, xla::F32);
    const xla::XlaOp is_usable = IsUsable(weights_scale);
    weights_scale = xla::Select(is_usable, weights_scale, xla::FullLike(weights_scale, 1.0f));
    const xla::XlaOp bias = Words(context, 1, columns, xla::F32);
    const xla::XlaOp ratio =
        xla::Min(xla::Reduce(xla::Abs(bias) / weights_scale, Scalar(x, 0.0f),
                             xla::CreateScalarMaxComputation(xla::F32, builder), {0}),
                 Scalar(x, largest));
    const xla::XlaOp smallest =
        xla::Max(ratio * Scalar(x, 1.0f / (1 << 30)), Scalar(x, kSmallestScale));
    const xla::XlaOp scale = xla::Max(step, smallest);
    const xla::XlaOp q = xla::Clamp(
        Scalar(x, -127.0f), xla::RoundNearestEven(x / xla::BroadcastInDim(scale, shape, leading)),
        Scalar(x, 127.0f));
    const xla::XlaOp sums = MatMul(xla::ConvertElementType(q, xla::S8), kernel, xla::S32);
    const std::vector<int64_t> out = Dimensions(sums);
    const auto of_rows = [&](xla::XlaOp op) { return xla::BroadcastInDim(op, out, leading); };
    const auto of_columns = [&](xla::XlaOp op) { return xla::BroadcastInDim(op, out, {last}); };
    const xla::XlaOp y =
        XlaScaleToFloat(sums, of_rows(scale) * of_columns(weights_scale), of_columns(bias));
    return xla::Select(of_columns(is_usable), y, NanLike(y));
  }
};

KERASOPT_REGISTER_XLA("KerasoptQuantizedMatMul", XlaQuantizedMatMul);
KERASOPT_REGISTER_XLA("KerasoptDynamicMatMul", XlaDynamicMatMul);

}  // namespace
}  // namespace kerasopt
