// What the XLA kernels share. The computations are those of kernels/, step for step; values
// cannot be checked here, since XLA computations cannot fail.

#ifndef KERASOPT_TENSORFLOW_XLA_SUPPORT_H_
#define KERASOPT_TENSORFLOW_XLA_SUPPORT_H_

#include <vector>

#include "kernels/kernel_table.h"
#include "tensorflow/compiler/tf2xla/xla_op_kernel.h"
#include "tensorflow/compiler/tf2xla/xla_op_registry.h"
#include "xla/hlo/builder/xla_builder.h"

namespace kerasopt {

inline xla::XlaOp Scalar(xla::XlaOp like, float value) {
  return xla::ConstantR0<float>(like.builder(), value);
}

inline xla::XlaOp Scalar(xla::XlaOp like, int32_t value) {
  return xla::ConstantR0<int32_t>(like.builder(), value);
}

inline std::vector<int64_t> Dimensions(xla::XlaOp op) {
  const auto dimensions = op.builder()->GetShape(op)->dimensions();
  return std::vector<int64_t>(dimensions.begin(), dimensions.end());
}

// x (..., depth) times kernel (depth, columns).
inline xla::XlaOp MatMul(xla::XlaOp x, xla::XlaOp kernel, xla::PrimitiveType sums) {
  xla::DotDimensionNumbers numbers;
  numbers.add_lhs_contracting_dimensions(static_cast<int64_t>(Dimensions(x).size()) - 1);
  numbers.add_rhs_contracting_dimensions(0);
  return xla::DotGeneral(x, kernel, numbers, nullptr, sums);
}

struct XlaOutputQuantization {
  int32_t zero_point, min, max;
};

// clamp(round_half_even(float(sums) * multiplier)) + zero point; `multiplier` has the shape of
// `sums` or is a scalar.
inline xla::XlaOp XlaRequantize(xla::XlaOp sums, xla::XlaOp multiplier,
                                const XlaOutputQuantization& output,
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
#define KERASOPT_REGISTER_XLA(name, ...)                                                     \
  REGISTER_XLA_OP(Name(name), __VA_ARGS__);                                                  \
  REGISTER_KERNEL_BUILDER(Name(name).Device(tensorflow::DEVICE_CPU_XLA_JIT).Priority(1),     \
                          __VA_ARGS__);                                                      \
  REGISTER_KERNEL_BUILDER(Name(name).Device(tensorflow::DEVICE_GPU_XLA_JIT).Priority(1),     \
                          __VA_ARGS__)

#endif  // KERASOPT_TENSORFLOW_XLA_SUPPORT_H_
