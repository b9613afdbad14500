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
    OP_REQUIRES_OK(context, context->GetAttr("kernel_shape", &kernel_shape_));
    OP_REQUIRES_OK(context, GetWeightFormat(context, &format_));
  }

  void Compile(XlaOpKernelContext* context) override {
    const int64_t depth = kernel_shape_[0], units = kernel_shape_[1];
    const xla::XlaOp kernel =
        xla::Reshape(Unpack(context->Input(1), {1, 1, depth, units, format_}), {depth, units});
    context->SetOutput(
        0, Contract(context->Input(0), kernel, {0}, Words(context, 1, units, xla::S32),
                    Words(context, 0, units, xla::F32),
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
    OP_REQUIRES_OK(context, context->GetAttr("kernel_shape", &kernel_shape_));
    OP_REQUIRES_OK(context, GetWeightFormat(context, &format_));
  }

  void Compile(XlaOpKernelContext* context) override {
    const int64_t depth = kernel_shape_[0], units = kernel_shape_[1];
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
    const xla::XlaOp weights_scale = Words(context, 0, units, xla::F32);
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
    const xla::XlaOp kernel =
        xla::Reshape(Unpack(context->Input(1), {1, 1, depth, units, format_}), {depth, units});
    const xla::XlaOp sums = MatMul(xla::ConvertElementType(q, xla::S8), kernel, xla::S32);
    const std::vector<int64_t> out = Dimensions(sums);
    const auto of_rows = [&](xla::XlaOp op) { return xla::BroadcastInDim(op, out, leading); };
    const auto of_columns = [&](xla::XlaOp op) { return xla::BroadcastInDim(op, out, {last}); };
    context->SetOutput(
        0, XlaScaleToFloat(sums, of_rows(scale) * of_columns(weights_scale), of_columns(bias)));
  }

 private:
  std::vector<int64_t> kernel_shape_;
  WeightFormat format_;
};

KERASOPT_REGISTER_XLA("KerasoptQuantizedMatMul", XlaQuantizedMatMul);
KERASOPT_REGISTER_XLA("KerasoptDynamicMatMul", XlaDynamicMatMul);

}  // namespace
}  // namespace kerasopt
