// The functions that each instruction set has for elementwise operations, and for those on rows.

#ifndef KERASOPT_KERNELS_ELEMENTWISE_TABLE_H_
#define KERASOPT_KERNELS_ELEMENTWISE_TABLE_H_

#include <cstdint>

namespace kerasopt {

// clamp(((k + 2^(shift - 1)) >> shift) + output_zero_point), where
// k = (x0 - zero_point0) * multiplier0 + (x1 - zero_point1) * multiplier1.
struct AddParameters {
  int32_t multiplier0, multiplier1, shift;
  int32_t zero_point0, zero_point1, output_zero_point;
  int32_t output_min, output_max;
};

// clamp(rint(float((x0 - zero_point0) * (x1 - zero_point1)) * multiplier), min, max) +
// output_zero_point; `min` and `max` are less the output's zero point.
struct ProductParameters {
  int32_t zero_point0, zero_point1;
  float multiplier, min, max;
  int32_t output_zero_point;
};

// The largest root of a variance in ops.quantized_layer_normalization.
constexpr float kLargestRoot = 1073741824.0f;  // 2^30

// See ops.quantized_layer_normalization; `gain` and `offset` have a value for each channel.
struct Normalization {
  const float* gain;
  const int32_t* offset;
  float epsilon;
  int32_t output_zero_point;
};

// A grid of quantized values: `min` and `max` are the ends of the integer range less the zero
// point. Each points to one value, or to one value per channel. A scale of 0 leaves values as they
// are; one of NaN makes them NaN.
struct Grid {
  const float* scale;
  const float* min;
  const float* max;
};

struct PairLoops {
  void (*add)(const int8_t* x0, const int8_t* x1, int64_t count, const AddParameters& parameters,
              int8_t* out);
  // The same of int16 values, whose zero points are 0 and whose shift is 9 or more.
  void (*add_int16)(const int16_t* x0, const int16_t* x1, int64_t count,
                    const AddParameters& parameters, int16_t* out);
  void (*multiply)(const int8_t* x0, const int8_t* x1, int64_t count,
                   const ProductParameters& parameters, int8_t* out);
};

struct FunctionLoops {
  // `table` has what -128, -127, ..., 127 become.
  void (*look_up)(const int8_t* x, int64_t count, const int8_t* table, int8_t* out);
  // Of one row; see ops.quantized_softmax. `powers` is room for `count` values.
  void (*softmax)(const int8_t* x, int64_t count, const int32_t* exponentials, int32_t* powers,
                  int8_t* out);
  // Of one row of at most 32768 values.
  void (*normalize)(const int8_t* x, int64_t count, const Normalization& normalization,
                    int8_t* out);
};

// Index 0: one grid for all values. Index 1: one grid per value (a row of channels).
struct QuantizationLoops {
  void (*quantize[2])(const float* x, int64_t count, Grid grid, int32_t zero_point, int8_t* out);
  void (*quantize_to_int16[2])(const float* x, int64_t count, Grid grid, int32_t zero_point,
                               int16_t* out);
  void (*fake_quantize[2])(const float* x, int64_t count, Grid grid, float* out);
  void (*fake_quantize_gradient[2])(const float* upstream, const float* x, int64_t count, Grid grid,
                                    float* out);
  // That, and the sums that the gradients of a learned scale are made of are added to by_scale and
  // clamped: of all values to the first one, or of each value to its own.
  void (*learned_scale_gradients[2])(const float* upstream, const float* x, int64_t count,
                                     Grid grid, float* out, float* by_scale, float* clamped);
  // Widens [*min, *max] to hold x; both become NaN if x holds one.
  void (*min_max)(const float* x, int64_t count, float* min, float* max);
};

}  // namespace kerasopt

#endif  // KERASOPT_KERNELS_ELEMENTWISE_TABLE_H_
