// What int32 sums become.

#ifndef KERASOPT_KERNELS_COMMON_SUMS_H_
#define KERASOPT_KERNELS_COMMON_SUMS_H_

#include <cstdint>

namespace kerasopt {

// int8: clamp(rint(float(sum + bias) * multiplier), min, max) + zero_point. `min` and `max` are
// less the zero point, so no float is added after the multiplication.
struct Requantization {
  const int32_t* bias;
  const float* multiplier;
  float min;
  float max;
  int32_t zero_point;
};

// The same of sums that have one bias and multiplier.
struct SumParameters {
  int32_t bias;
  float multiplier, min, max;
  int32_t output_zero_point;
};

// Sums of int16 activations, as 256 * high + low, to int16:
// clamp(rint(float((256 * (high + bias) + low + bias) >> shift) * multiplier), min, max), where the
// biases of low sums round the shift, which is from 1 to 8.
struct Int16Requantization {
  const int32_t* high;
  const int32_t* low;
  const float* multiplier;
  int shift;
  float min, max;
};

// Smaller scales would underflow on their way.
constexpr float kSmallestScale = 7.888609e-31f;  // 2^-100
// Leaves room for the products of 66,000 activations.
constexpr float kLargestOffset = 1073741824.0f;  // 2^30

// float32: float(sum + rint(bias / m)) * m with m = max(row_scale * scale, kSmallestScale), where
// the rounded bias is clamped to +-kLargestOffset.
struct FloatScaling {
  const float* row_scales;
  const float* scale;  // of the columns
  const float* bias;   // of the columns, or nullptr for none
};

}  // namespace kerasopt

#endif  // KERASOPT_KERNELS_COMMON_SUMS_H_
