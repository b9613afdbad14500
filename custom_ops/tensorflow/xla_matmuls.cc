// XLA kernels of the integer matrix multiplications.

#include <limits>
#include <numeric>
#include <vector>

#include "op_weights.h"
#include "xla/hlo/builder/lib/math.h"
#include "xla_contraction.h"
#include "xla_weights.h"

namespace kerasopt {
namespace {

using tensorflow::OpKernelConstruction;
using tensorflow::XlaOpKernel;
using tensorflow::XlaOpKernelContext;

class XlaQuantizedMatMul : public XlaContraction {
 public:
  explicit XlaQuantizedMatMul(OpKernelConstruction* context) : XlaContraction(context) {
    OP_REQUIRES_OK(context, GetKernelShape(context, 2, &kernel_shape_));
    OP_REQUIRES_OK(context, GetWeightFormat(context, false, &format_));
  }

  void Compile(XlaOpKernelContext* context) override {
    const int64_t depth = kernel_shape_[0], units = kernel_shape_[1];
    const PackedShape packed = {1, 1, depth, units, format_};
    OP_REQUIRES_OK(context, CheckRows(InputShape(context, 0), depth));
    OP_REQUIRES_OK(context, CheckPacked(context, packed));
    OP_REQUIRES_OK(context, CheckProducts(depth, kMostInt16Products));
    const xla::XlaOp kernel = xla::Reshape(Unpack(context->Input(1), packed), {depth, units});
    context->SetOutput(
        0, Contract(context->Input(0), kernel, {0}, Words(context, 1, units, xla::S32),
                    Multipliers(context, units),
                    [](xla::XlaOp x, xla::XlaOp kernel, int32_t) {
                      return MatMul(x, kernel, xla::S32);
                    }));
  }

 private:
  std::vector<int64_t> kernel_shape_;
  WeightFormat format_;
};

// The steps of the reference, kerasopt/ops/reference/matmul.py.
class XlaDynamicMatMul : public XlaOpKernel {
 public:
  explicit XlaDynamicMatMul(OpKernelConstruction* context) : XlaOpKernel(context) {
    OP_REQUIRES_OK(context, GetKernelShape(context, 2, &kernel_shape_));
    OP_REQUIRES_OK(context, GetWeightFormat(context, false, &format_));
  }

  void Compile(XlaOpKernelContext* context) override {
    const int64_t depth = kernel_shape_[0], units = kernel_shape_[1];
    const PackedShape packed = {1, 1, depth, units, format_};
    OP_REQUIRES_OK(context, CheckRows(InputShape(context, 0), depth));
    OP_REQUIRES_OK(context, CheckPacked(context, packed));
    xla::XlaOp x = context->Input(0);
    xla::XlaBuilder* builder = x.builder();
    const std::vector<int64_t> shape = Dimensions(x);
    const int64_t last = static_cast<int64_t>(shape.size()) - 1;
    std::vector<int64_t> leading(last);
    std::iota(leading.begin(), leading.end(), 0);
    const float largest = std::numeric_limits<float>::max();
    x = xla::Clamp(Scalar(x, -largest), xla::Select(xla::IsNan(x), xla::ZerosLike(x), x),
                   Scalar(x, largest));
    const xla::XlaOp magnitude =
        xla::Reduce(xla::Abs(x), Scalar(x, 0.0f),
                    xla::CreateScalarMaxComputation(xla::F32, builder), {last});
    const xla::XlaOp step = magnitude * Scalar(x, 1.0f / 127.0f);
    xla::XlaOp weights_scale = Words(context, 0, units, xla::F32);
    const xla::XlaOp is_usable = IsUsable(weights_scale);
    weights_scale = xla::Select(is_usable, weights_scale, xla::FullLike(weights_scale, 1.0f));
    const xla::XlaOp bias = Words(context, 1, units, xla::F32);
    const xla::XlaOp ratio =
        xla::Min(xla::Reduce(xla::Abs(bias) / weights_scale, Scalar(x, 0.0f),
                             xla::CreateScalarMaxComputation(xla::F32, builder), {0}),
                 Scalar(x, largest));
    const xla::XlaOp smallest =
        xla::Max(ratio * Scalar(x, 1.0f / (1 << 30)), Scalar(x, kSmallestScale));
    const xla::XlaOp scale = xla::Max(step, smallest);
    const xla::XlaOp q =
        xla::Clamp(Scalar(x, -127.0f),
                   xla::RoundNearestEven(x / xla::BroadcastInDim(scale, shape, leading)),
                   Scalar(x, 127.0f));
    const xla::XlaOp kernel = xla::Reshape(Unpack(context->Input(1), packed), {depth, units});
    const xla::XlaOp sums = MatMul(xla::ConvertElementType(q, xla::S8), kernel, xla::S32);
    const std::vector<int64_t> out = Dimensions(sums);
    const auto of_rows = [&](xla::XlaOp op) { return xla::BroadcastInDim(op, out, leading); };
    const auto of_columns = [&](xla::XlaOp op) { return xla::BroadcastInDim(op, out, {last}); };
    const xla::XlaOp y =
        XlaScaleToFloat(sums, of_rows(scale) * of_columns(weights_scale), of_columns(bias));
    context->SetOutput(0, xla::Select(of_columns(is_usable), y, NanLike(y)));
  }

 private:
  std::vector<int64_t> kernel_shape_;
  WeightFormat format_;
};

KERASOPT_REGISTER_XLA("KerasoptQuantizedMatMul", XlaQuantizedMatMul);
KERASOPT_REGISTER_XLA("KerasoptDynamicMatMul", XlaDynamicMatMul);

}  // namespace
}  // namespace kerasopt
