// What the XLA kernels share. The computations are those of kernels/, step for step.
//
// Attributes and shapes, which are known when a computation is made, are checked as the CPU kernels
// check them: XLA aborts on shapes that do not agree. Values cannot be, since computations cannot
// fail. What the CPU kernels refuse of them has a defined result here, that of
// kerasopt/ops/reference: an integer output is its zero point, and a float one NaN, where a
// multiplier or scale of the weights is not positive and finite. Tables of softmax and indices of
// sparse weights, which no such result can be told for, may give any values, but stay inside of
// their tensors.

#ifndef KERASOPT_TENSORFLOW_XLA_SUPPORT_H_
#define KERASOPT_TENSORFLOW_XLA_SUPPORT_H_

#include <limits>
#include <vector>

#include "attributes.h"
#include "kernels/common/sums.h"
#include "shape_checks.h"
#include "tensorflow/compiler/tf2xla/xla_op_kernel.h"
#include "tensorflow/compiler/tf2xla/xla_op_registry.h"
#include "xla/hlo/builder/lib/arithmetic.h"
#include "xla/hlo/builder/lib/constants.h"
#include "xla/hlo/builder/lib/math.h"
#include "xla/hlo/builder/xla_builder.h"

namespace kerasopt {

using absl::Status;
using tensorflow::OpKernelConstruction;
using tensorflow::TensorShape;
using tensorflow::XlaOpKernel;
using tensorflow::XlaOpKernelContext;

inline xla::XlaOp Scalar(xla::XlaOp like, float value) {
  return xla::ConstantR0<float>(like.builder(), value);
}

inline xla::XlaOp Scalar(xla::XlaOp like, int32_t value) {
  return xla::ConstantR0<int32_t>(like.builder(), value);
}

inline std::vector<int64_t> InputDimensions(XlaOpKernelContext* context, int input) {
  const xla::Shape shape = *context->InputXlaShape(input);
  return std::vector<int64_t>(shape.dimensions().begin(), shape.dimensions().end());
}

inline tensorflow::TensorShape InputShape(XlaOpKernelContext* context, int input) {
  return tensorflow::TensorShape(InputDimensions(context, input));
}

// Of what was made of operands that agree.
inline std::vector<int64_t> Dimensions(xla::XlaOp op) {
  const auto dimensions = op.builder()->GetShape(op)->dimensions();
  return std::vector<int64_t>(dimensions.begin(), dimensions.end());
}

inline xla::XlaOp NanLike(xla::XlaOp like) {
  return xla::FullLike(like, std::numeric_limits<float>::quiet_NaN());
}

// Whether scales or multipliers are positive and finite.
inline xla::XlaOp IsUsable(xla::XlaOp scale) {
  return xla::And(xla::Gt(scale, xla::ZerosLike(scale)), xla::IsFinite(scale));
}

// Multipliers, and 0 for what is none.
inline xla::XlaOp UsableOrZero(xla::XlaOp multipliers) {
  return xla::Select(IsUsable(multipliers), multipliers, xla::ZerosLike(multipliers));
}

// x (..., depth) times kernel (depth, columns).
inline xla::XlaOp MatMul(xla::XlaOp x, xla::XlaOp kernel, xla::PrimitiveType sums) {
  xla::DotDimensionNumbers numbers;
  numbers.add_lhs_contracting_dimensions(static_cast<int64_t>(Dimensions(x).size()) - 1);
  numbers.add_rhs_contracting_dimensions(0);
  return xla::DotGeneral(x, kernel, numbers, nullptr, sums);
}

// clamp(round_half_even(float(sums) * multiplier)) + zero point; `multiplier` has the shape of
// `sums` or is a scalar.
inline xla::XlaOp XlaRequantize(xla::XlaOp sums, xla::XlaOp multiplier, const OutputRange& output,
                                xla::PrimitiveType type = xla::S8) {
  xla::XlaOp q = xla::RoundNearestEven(xla::ConvertElementType(sums, xla::F32) * multiplier);
  // Clamped before the zero point is added, in integers: XLA would contract a float addition
  // after the multiplication to a fused multiply-add.
  q = xla::Clamp(Scalar(q, static_cast<float>(output.min - output.zero_point)), q,
                 Scalar(q, static_cast<float>(output.max - output.zero_point)));
  return xla::ConvertElementType(
      xla::ConvertElementType(q, xla::S32) + Scalar(q, output.zero_point), type);
}

// The float32 results of s32 sums, as FloatScaling has them; all of the shape of `sums`.
inline xla::XlaOp XlaScaleToFloat(xla::XlaOp sums, xla::XlaOp scale, xla::XlaOp bias) {
  const xla::XlaOp m = xla::Max(scale, Scalar(scale, kSmallestScale));
  const xla::XlaOp offset = xla::Clamp(Scalar(m, -kLargestOffset), xla::RoundNearestEven(bias / m),
                                       Scalar(m, kLargestOffset));
  const xla::XlaOp total = sums + xla::ConvertElementType(offset, xla::S32);
  return xla::ConvertElementType(total, xla::F32) * m;
}

}  // namespace kerasopt

// TensorFlow turns XLA registrations into kernels once, at the first compilation of the process;
// this library may be loaded after that, so it registers the kernels itself too. The priority
// decides where both did.
#define KERASOPT_REGISTER_XLA(name, ...)                                                 \
  REGISTER_XLA_OP(Name(name), __VA_ARGS__);                                              \
  REGISTER_KERNEL_BUILDER(Name(name).Device(tensorflow::DEVICE_CPU_XLA_JIT).Priority(1), \
                          __VA_ARGS__);                                                  \
  REGISTER_KERNEL_BUILDER(Name(name).Device(tensorflow::DEVICE_GPU_XLA_JIT).Priority(1), \
                          __VA_ARGS__)

#endif  // KERASOPT_TENSORFLOW_XLA_SUPPORT_H_
