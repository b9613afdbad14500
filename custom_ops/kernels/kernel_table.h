// The leaf functions that exist once per instruction set. A table is filled by the translation
// units named after that instruction set, which contain nothing else: an inline function of the
// standard library compiled there could be merged with, and replace, the portable one.

#ifndef KERASOPT_KERNELS_KERNEL_TABLE_H_
#define KERASOPT_KERNELS_KERNEL_TABLE_H_

#include <cstdint>

namespace kerasopt {

// int32 accumulators to int8: clamp(rint(float(acc + bias) * multiplier), min, max) + zero_point.
// `min` and `max` are less the zero point, so no float is added after the multiplication.
struct Requantization {
  const int32_t* bias;
  const float* multiplier;
  float min;
  float max;
  int32_t zero_point;
};

struct AddParameters {
  int32_t multiplier0, multiplier1, shift;
  int32_t zero_point0, zero_point1, output_zero_point;
  int32_t output_min, output_max;
};

// A grid of quantized values: `min` and `max` are the ends of the integer range less the zero
// point. Each points to one value, or to one value per channel.
struct Grid {
  const float* scale;
  const float* min;
  const float* max;
};

struct GemmKernel {
  int panel_columns;       // columns of a packed panel of weights
  int depth_group;         // consecutive depths that one instruction sums
  int activation_bytes;    // size of a converted activation
  int weight_bytes;        // size of a packed weight
  int32_t activation_offset;  // converted activation = x + offset

  // Converts `count` activations; `fill` writes `count` copies of a converted activation.
  void (*convert)(const int8_t* x, int64_t count, void* out);
  void (*fill)(int8_t x, int64_t count, void* out);

  // Multiplies `rows` rows of converted activations, `row_bytes` apart, with one panel packed as
  // [depth / depth_group][panel_columns][depth_group], and writes the first `columns` columns.
  // bias and multiplier are readable for all panel_columns.
  void (*multiply)(int64_t rows, int columns, int64_t depth_groups, const void* activations,
                   int64_t row_bytes, const void* panel, const Requantization& requantization,
                   int8_t* out, int64_t out_stride);
};

struct LoopKernels {
  // One output pixel: sums taps[t][c] - zero_point times weights[t * channels + c] over t.
  void (*depthwise)(const int8_t* const* taps, const int8_t* weights, int64_t tap_count,
                    int64_t channels, int32_t input_zero_point,
                    const Requantization& requantization, int8_t* out);
  void (*accumulate)(const int8_t* x, int64_t count, int32_t* sums);
  void (*requantize)(const int32_t* sums, int64_t count, const Requantization& requantization,
                     int8_t* out);
  void (*add)(const int8_t* x0, const int8_t* x1, int64_t count, const AddParameters& parameters,
              int8_t* out);
  // Index 0: one grid for all values. Index 1: one grid per value (a row of channels).
  void (*quantize[2])(const float* x, int64_t count, Grid grid, int32_t zero_point, int8_t* out);
  void (*fake_quantize[2])(const float* x, int64_t count, Grid grid, float* out);
  void (*fake_quantize_gradient[2])(const float* upstream, const float* x, int64_t count,
                                    Grid grid, float* out);
  // That, and the sums that the gradients of a learned scale are made of are added to by_scale and
  // clamped: of all values to the first one, or of each value to its own.
  void (*learned_scale_gradients[2])(const float* upstream, const float* x, int64_t count,
                                     Grid grid, float* out, float* by_scale, float* clamped);
  // Widens [*min, *max] to hold x; both become NaN if x holds one.
  void (*min_max)(const float* x, int64_t count, float* min, float* max);
};

struct KernelTable {
  const char* name;
  GemmKernel gemm;
  LoopKernels loops;
};

extern const GemmKernel kGemmScalar;
extern const LoopKernels kLoopsScalar;
#ifdef KERASOPT_X86
extern const GemmKernel kGemmAvx2;
extern const LoopKernels kLoopsAvx2;
extern const GemmKernel kGemmAvx512Vnni;
extern const LoopKernels kLoopsAvx512;
#endif

}  // namespace kerasopt

#endif  // KERASOPT_KERNELS_KERNEL_TABLE_H_
