// XLA kernels of quantization and fake quantization.

#include <limits>
#include <numeric>
#include <vector>

#include "xla/hlo/builder/lib/arithmetic.h"
#include "xla/hlo/builder/lib/constants.h"
#include "xla_support.h"

namespace kerasopt {
namespace {

// A scalar, or one value per entry of the last axis, in the given shape. The barrier hides
// constants: XLA replaces a division by one with a multiplication by its reciprocal.
xla::XlaOp BroadcastHidden(XlaOpKernelContext* context, int input,
                           const std::vector<int64_t>& shape) {
  const xla::XlaOp value = xla::OptimizationBarrier(context->Input(input));
  const xla::Shape value_shape = *context->InputXlaShape(input);
  if (xla::ShapeUtil::ElementsIn(value_shape) == 1) {
    return xla::Broadcast(xla::Reshape(value, {}), shape);
  }
  return xla::BroadcastInDim(value, shape, {static_cast<int64_t>(shape.size()) - 1});
}

// Error unless there is one value, or as many as `most`.
Status CheckCount(XlaOpKernelContext* context, int input, const char* name, int64_t most) {
  const TensorShape shape = InputShape(context, input);
  if (shape.dims() <= 1 && (shape.num_elements() == 1 || shape.num_elements() == most)) {
    return absl::OkStatus();
  }
  return InvalidArgument(name, " must be a scalar or have ", most, " values. Received: ", name,
                         ".shape=", shape.DebugString());
}

// Error unless there is one scale, or one per entry of the last axis of x.
Status CheckScale(XlaOpKernelContext* context, int x, int scale) {
  const std::vector<int64_t> shape = InputDimensions(context, x);
  return CheckCount(context, scale, "scale", shape.empty() ? 1 : shape.back());
}

class XlaQuantize : public XlaOpKernel {
 public:
  explicit XlaQuantize(OpKernelConstruction* context) : XlaOpKernel(context) {
    tensorflow::DataType type;
    OP_REQUIRES_OK(context, context->GetAttr("T", &type));
    is_int16_ = type == tensorflow::DT_INT16;
    const int32_t largest = is_int16_ ? 32767 : 127;
    OP_REQUIRES_OK(context,
                   GetIntegerAttr(context, "zero_point", -largest - 1, largest, &zero_point_));
  }

  void Compile(XlaOpKernelContext* context) override {
    OP_REQUIRES_OK(context, CheckScale(context, 0, 1));
    const int32_t largest = is_int16_ ? 32767 : 127;
    const xla::XlaOp x = context->Input(0);
    const auto shape = InputDimensions(context, 0);
    const xla::XlaOp scaled = x / BroadcastHidden(context, 1, shape);
    xla::XlaOp q = xla::RoundNearestEven(scaled);
    q = xla::Clamp(Scalar(x, static_cast<float>(-largest - 1 - zero_point_)), q,
                   Scalar(x, static_cast<float>(largest - zero_point_)));
    q = xla::Select(xla::Ne(scaled, scaled), xla::ZerosLike(x), q);
    q = xla::ConvertElementType(q, xla::S32) + Scalar(x, zero_point_);
    context->SetOutput(0, xla::ConvertElementType(q, is_int16_ ? xla::S16 : xla::S8));
  }

 private:
  int32_t zero_point_;
  bool is_int16_;
};

// Fake quantization, the gradient for its input, and the sums for that of a learned scale.
enum class FakeQuantization { kForward, kGradient, kLearnedScale };

template <FakeQuantization kWhat>
class XlaFakeQuantize : public XlaOpKernel {
 public:
  explicit XlaFakeQuantize(OpKernelConstruction* context) : XlaOpKernel(context) {
    OP_REQUIRES_OK(context, GetLimits(context, &qmin_, &qmax_));
  }

  void Compile(XlaOpKernelContext* context) override {
    const int first = kWhat == FakeQuantization::kForward ? 0 : 1;
    const xla::XlaOp x = context->Input(first), passed = context->Input(0);
    const auto shape = InputDimensions(context, first);
    OP_REQUIRES_OK(context, CheckScale(context, first, first + 1));
    OP_REQUIRES_OK(context, CheckCount(context, first + 2, "zero_point",
                                       InputShape(context, first + 1).num_elements()));
    OP_REQUIRES(context, InputShape(context, 0) == InputShape(context, first),
                InvalidArgument("upstream and x must have the same shape"));
    const xla::XlaOp zero_point = BroadcastHidden(context, first + 2, shape);
    const xla::XlaOp scale = ScaleOfGrid(BroadcastHidden(context, first + 1, shape), zero_point);
    const xla::XlaOp scaled = x / scale, zeros = xla::ZerosLike(x);
    const xla::XlaOp is_off = xla::Eq(scale, zeros);  // a scale of zero switches rounding off
    // Whether a clamp passes NaN on is left to the platform.
    const xla::XlaOp is_nan = xla::Ne(scaled, scaled);
    const xla::XlaOp q = xla::RoundNearestEven(scaled) + zero_point;
    const xla::XlaOp clipped =
        xla::Clamp(Scalar(x, static_cast<float>(qmin_)), q, Scalar(x, static_cast<float>(qmax_)));
    if constexpr (kWhat == FakeQuantization::kForward) {
      const xla::XlaOp y = xla::Select(is_nan, scaled, (clipped - zero_point) * scale);
      context->SetOutput(0, xla::Select(is_off, passed, y));
      return;
    }
    const xla::XlaOp inside = xla::Or(xla::Eq(clipped, q), is_off);
    context->SetOutput(0, xla::Select(inside, passed, zeros));
    if constexpr (kWhat == FakeQuantization::kLearnedScale) {
      const xla::XlaOp rounded = xla::Select(is_nan, scaled, clipped - zero_point);
      const xla::XlaOp error = xla::Select(inside, rounded - scaled, rounded);
      SetSum(context, 1, xla::Select(is_off, zeros, passed * error));
      SetSum(context, 2, xla::Select(inside, zeros, passed));
    }
  }

 private:
  // See QuantizationGrid.
  xla::XlaOp ScaleOfGrid(xla::XlaOp scale, xla::XlaOp zero_point) const {
    const xla::XlaOp smallest = Scalar(scale, std::numeric_limits<float>::min());
    const xla::XlaOp is_integer = xla::Eq(xla::RoundNearestEven(zero_point), zero_point);
    const xla::XlaOp is_inside =
        xla::And(xla::Ge(zero_point, Scalar(scale, static_cast<float>(qmin_))),
                 xla::Le(zero_point, Scalar(scale, static_cast<float>(qmax_))));
    const xla::XlaOp is_grid = xla::And(xla::IsFinite(scale), xla::And(is_integer, is_inside));
    return xla::Select(xla::Lt(xla::Abs(scale), smallest), xla::ZerosLike(scale),
                       xla::Select(is_grid, scale, NanLike(scale)));
  }

  // The sum of all values that share a scale, in the shape of the scales.
  static void SetSum(XlaOpKernelContext* context, int output, xla::XlaOp values) {
    const xla::Shape scales = *context->InputXlaShape(2);
    std::vector<int64_t> axes(InputDimensions(context, 1).size());
    std::iota(axes.begin(), axes.end(), 0);
    if (xla::ShapeUtil::ElementsIn(scales) != 1) axes.pop_back();
    xla::XlaBuilder* builder = values.builder();
    const xla::XlaOp sum = xla::Reduce(values, xla::Zero(builder, xla::F32),
                                       xla::CreateScalarAddComputation(xla::F32, builder), axes);
    context->SetOutput(output, xla::Reshape(sum, InputDimensions(context, 2)));
  }

  int32_t qmin_, qmax_;
};

class XlaMinMax : public XlaOpKernel {
 public:
  using XlaOpKernel::XlaOpKernel;

  void Compile(XlaOpKernelContext* context) override {
    const xla::XlaOp x = context->Input(0);
    xla::XlaBuilder* builder = x.builder();
    OP_REQUIRES(context, xla::ShapeUtil::ElementsIn(*context->InputXlaShape(0)) > 0,
                InvalidArgument("x must not be empty"));
    // Whether a reduction with min passes NaN on is left to the platform, so it is done here.
    const xla::XlaOp has_nan = xla::ReduceAll(xla::Ne(x, x), xla::ConstantR0<bool>(builder, false),
                                              xla::CreateScalarOrComputation(xla::PRED, builder));
    const xla::XlaOp nan = Scalar(x, std::numeric_limits<float>::quiet_NaN());
    const float infinity = std::numeric_limits<float>::infinity();
    const xla::XlaOp min =
        xla::ReduceAll(x, Scalar(x, infinity), xla::CreateScalarMinComputation(xla::F32, builder));
    const xla::XlaOp max =
        xla::ReduceAll(x, Scalar(x, -infinity), xla::CreateScalarMaxComputation(xla::F32, builder));
    context->SetOutput(0, xla::Select(has_nan, nan, min));
    context->SetOutput(1, xla::Select(has_nan, nan, max));
  }
};

KERASOPT_REGISTER_XLA("KerasoptQuantize", XlaQuantize);
KERASOPT_REGISTER_XLA("KerasoptFakeQuantize", XlaFakeQuantize<FakeQuantization::kForward>);
KERASOPT_REGISTER_XLA("KerasoptFakeQuantizeGrad", XlaFakeQuantize<FakeQuantization::kGradient>);
KERASOPT_REGISTER_XLA("KerasoptLearnedScaleGradients",
                      XlaFakeQuantize<FakeQuantization::kLearnedScale>);
KERASOPT_REGISTER_XLA("KerasoptMinMax", XlaMinMax);

}  // namespace
}  // namespace kerasopt
