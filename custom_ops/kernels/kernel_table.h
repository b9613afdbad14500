// The leaf functions that exist once per instruction set. A table is filled by the translation
// units named after that instruction set, which contain nothing else: an inline function of the
// standard library compiled there could be merged with, and replace, the portable one.

#ifndef KERASOPT_KERNELS_KERNEL_TABLE_H_
#define KERASOPT_KERNELS_KERNEL_TABLE_H_

#include <cstdint>

#include "kernels/weight_format.h"

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

// clamp(rint(float((x0 - zero_point0) * (x1 - zero_point1)) * multiplier), min, max) +
// output_zero_point; `min` and `max` are less the output's zero point.
struct ProductParameters {
  int32_t zero_point0, zero_point1;
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

// The same of sums that have one bias.
struct SumParameters {
  int32_t bias;
  float multiplier, min, max;
  int32_t output_zero_point;
};

// Columns of a product of two matrices that are computed at once.
constexpr int kMatrixColumns = 16;
// Rows that share what is read of those columns.
constexpr int kMatrixRows = 4;

// x0 of shape (rows, depth) times x1 of shape (depth, columns).
struct MatrixProduct {
  const int8_t* x0;
  const int8_t* x1;
  int64_t rows, depth, columns;
  int32_t zero_point0, zero_point1;
  SumParameters output;

  // Of int16 values, for the function below.
  int64_t scratch_size() const { return (depth + depth % 2) * (kMatrixColumns + kMatrixRows); }
};

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

// Rows of a left operand: row r is made of `runs` runs of activations for `quads` stored quads, of
// which run i begins at rows[r] + run_offsets[i], in bytes.
struct LeftOperand {
  const char* const* rows;
  const int64_t* run_offsets;
  int64_t runs, quads;
};

// Columns of a packed kernel, `width` of them, a multiple of kColumnBlock; see packed_kernel.h.
struct Panel {
  const int8_t* weights;
  int width;
  int columns;     // those that are not padding
  int quad_bytes;  // from one stored quad to the next one
  int64_t next_bytes = 0;  // from the weights to those of the panel that is multiplied next
};

// Smaller scales would underflow on their way.
constexpr float kSmallestScale = 7.888609e-31f;  // 2^-100
// Leaves room for the products of 66,000 activations.
constexpr float kLargestOffset = 1073741824.0f;  // 2^30
// The largest root of a variance in ops.quantized_layer_normalization.
constexpr float kLargestRoot = 1073741824.0f;  // 2^30

// int32 sums to float32: float(sum + rint(bias / m)) * m with m = max(row_scale * scale,
// kSmallestScale), where the rounded bias is clamped to +-kLargestOffset.
struct FloatScaling {
  const float* row_scales;
  const float* scale;  // of the columns
  const float* bias;   // of the columns, or nullptr for none
};

// Multiplies `rows` rows with a panel and writes its columns to rows of `out`, `out_stride` apart.
struct GemmFunctions {
  // bias and multiplier are those of the panel, readable up to its width.
  void (*to_int8)(const LeftOperand& left, int64_t rows, const Panel& panel,
                  const Requantization& requantization, int8_t* out, int64_t out_stride);
  // Sums begin with `first`.
  void (*to_float)(const LeftOperand& left, int64_t rows, const Panel& panel,
                   const int32_t* first, const FloatScaling& scaling, float* out,
                   int64_t out_stride);
  // The sums themselves; up to the width of the panel is written.
  void (*to_sums)(const LeftOperand& left, int64_t rows, const Panel& panel, int32_t* out,
                  int64_t out_stride);
};

// Writes `count` values as others.
using ConvertFunction = void (*)(const void* x, int64_t count, void* out);

struct GemmKernel {
  int activation_bytes;       // size of a converted activation
  int32_t activation_offset;  // converted activation = x + offset

  // Converts int8 activations, or halves of int16 ones: high bytes, or low bytes less 128.
  ConvertFunction convert, convert_high, convert_low;
  // Writes `count` copies of a converted activation.
  void (*fill)(int8_t x, int64_t count, void* out);

  GemmFunctions int8;
  // With panels of other formats, or nullptr: they are expanded first.
  const GemmFunctions* int4;  // up to kMostInt4Rows
  const GemmFunctions* two_of_four;
};

// Sixteen times the sum of so many products is in int32.
constexpr int64_t kMostInt4Rows = 65536;

// Lines of an image, with the padding around it, that a depthwise convolution reads for some lines
// of its output: one channel for each of the output.
struct DepthwiseBlock {
  const void* image;
  int64_t line_stride;  // from one line of the image to the next one, in values
  int64_t channels;
  int64_t lines, pixels;  // of the output
  int64_t kernel_height, kernel_width;
  int64_t height_stride, width_stride;
  int64_t height_dilation, width_dilation;
  int32_t input_zero_point;
};

// `kernel` has the shape (kernel_height, kernel_width, channels). A vector behind the image may be
// read.
using DepthwiseFunction = void (*)(const DepthwiseBlock& block, const int8_t* kernel,
                                   const Requantization& requantization, int8_t* out);

// The same of an image of int16 values. Up to kMostInt16Taps of them are summed.
using Int16DepthwiseFunction = void (*)(const DepthwiseBlock& block, const int8_t* kernel,
                                        const Int16Requantization& requantization, int16_t* out);
constexpr int64_t kMostInt16Taps = 511;

// A faster function for some kernels, whose images are converted as the GEMM's activations are.
struct DepthwiseKernel {
  bool (*supports)(const DepthwiseBlock& block);
  DepthwiseFunction run;
};

// The parts of a sparse kernel; see sparse_kernel.h.
struct SparseEntries {
  const uint32_t* ends;
  const uint16_t* rows;
  const void* values;
};

// Columns of a sparse kernel, from `first` on, a multiple of 4.
struct SparsePanel {
  SparseEntries entries;
  int64_t first;
  int columns;
};

// Pixels that are turned round together, and elements that are at once.
constexpr int64_t kSparsePixels = 64, kSparseElements = 16;

// A tile has the elements of up to kSparsePixels pixels as [element][pixel]; int8 plus 128.
struct SparseKernels {
  void (*load_int8)(const int8_t* x, int pixels, int64_t depth, char* tile);
  void (*load_float)(const float* x, int pixels, int64_t depth, char* tile);
  // Index 1: with blocks of four columns. Columns of `requantization` and `bias` are those of the
  // kernel, readable up to whole blocks. Up to 4 * kSparseElements columns of int8.
  void (*multiply_int8[2])(const char* tile, int pixels, const SparsePanel& panel,
                           const Requantization& requantization, int8_t* out, int64_t out_stride);
  void (*multiply_float[2])(const char* tile, int pixels, const SparsePanel& panel,
                            const float* bias, float* out, int64_t out_stride);
};

// Multiplies rows of bits with a panel of WeightFormat::kBinary: sums are first - (d << 13), where d
// is how many bits differ.
using MultiplyBinary = void (*)(const LeftOperand& left, int64_t rows, const Panel& panel,
                                const int32_t* first, const FloatScaling& scaling, float* out,
                                int64_t out_stride);

// What follows the sums of columns: sum * scale + bias, rounded once.
struct ChannelAffine {
  const float* scale;
  const float* bias;
};

// Multiplies float32 rows with a panel of weights of 16 bits. A sum begins with 0 and adds a product
// after the other, in the order of the rows of the kernel, with one rounding each. Columns of
// `affine` are those of the panel, readable up to its width.
using MultiplyHalf = void (*)(const LeftOperand& left, int64_t rows, const Panel& panel,
                              const ChannelAffine& affine, float* out, int64_t out_stride);
struct HalfKernels {
  MultiplyHalf float16, bfloat16;
};

struct LoopKernels {
  DepthwiseFunction depthwise;
  Int16DepthwiseFunction depthwise_int16;
  void (*requantize)(const int32_t* sums, int64_t count, const Requantization& requantization,
                     int8_t* out);
  void (*requantize_to_int16)(const int32_t* high, const int32_t* low, int64_t count,
                              const Int16Requantization& requantization, int16_t* out);
  // Rounds a row to int8 with the scale of its largest magnitude, or `smallest` if that is more;
  // see ops.dynamic_matmul.
  void (*quantize_row)(const float* x, int64_t count, float smallest, float* scale, int8_t* out);
  // The sums of one row; `scaling` begins with its scale.
  void (*scale_to_float)(const int32_t* sums, int64_t count, const FloatScaling& scaling,
                         float* out);
  void (*add)(const int8_t* x0, const int8_t* x1, int64_t count, const AddParameters& parameters,
              int8_t* out);
  // The same of int16 values, whose zero points are 0 and whose shift is 9 or more.
  void (*add_int16)(const int16_t* x0, const int16_t* x1, int64_t count,
                    const AddParameters& parameters, int16_t* out);
  void (*multiply)(const int8_t* x0, const int8_t* x1, int64_t count,
                   const ProductParameters& parameters, int8_t* out);
  // Columns from `first` on, up to kMatrixColumns of them, of a product that `out` is room for.
  void (*multiply_panel)(const MatrixProduct& product, int64_t first, int16_t* scratch,
                         int8_t* out);
  // `table` has what -128, -127, ..., 127 become.
  void (*look_up)(const int8_t* x, int64_t count, const int8_t* table, int8_t* out);
  // Of one row; see ops.quantized_softmax. `powers` is room for `count` values.
  void (*softmax)(const int8_t* x, int64_t count, const int32_t* exponentials, int32_t* powers,
                  int8_t* out);
  // Of one row of at most 32768 values.
  void (*normalize)(const int8_t* x, int64_t count, const Normalization& normalization,
                    int8_t* out);
  // Averages and largest values of `count` pixels, at least 1, of `channels` values each.
  void (*average)(const int8_t* const* pixels, int64_t count, int64_t channels,
                  const SumParameters& parameters, int8_t* out);
  void (*largest)(const int8_t* const* pixels, int64_t count, int64_t channels, int8_t* out);
  // Index 0: one grid for all values. Index 1: one grid per value (a row of channels).
  void (*quantize[2])(const float* x, int64_t count, Grid grid, int32_t zero_point, int8_t* out);
  void (*quantize_to_int16[2])(const float* x, int64_t count, Grid grid, int32_t zero_point,
                               int16_t* out);
  void (*fake_quantize[2])(const float* x, int64_t count, Grid grid, float* out);
  void (*fake_quantize_gradient[2])(const float* upstream, const float* x, int64_t count,
                                    Grid grid, float* out);
  // That, and the sums that the gradients of a learned scale are made of are added to by_scale and
  // clamped: of all values to the first one, or of each value to its own.
  void (*learned_scale_gradients[2])(const float* upstream, const float* x, int64_t count,
                                     Grid grid, float* out, float* by_scale, float* clamped);
  // Widens [*min, *max] to hold x; both become NaN if x holds one.
  void (*min_max)(const float* x, int64_t count, float* min, float* max);
  // Writes `quads` stored quads of `width` columns, a multiple of kColumnBlock, as kInt8 has them.
  // They are in another format.
  // Bits of `count` values, set where a value is not at least 0, the lowest first; the last byte is
  // filled up with clear ones.
  void (*sign_bits)(const float* x, int64_t count, uint8_t* out);
  void (*expand)(const int8_t* stored, WeightFormat format, int64_t quads, int width, int8_t* out);
};

// See peak.h.
using PeakFunction = int64_t (*)(int64_t steps);

struct KernelTable {
  const char* name;
  GemmKernel gemm;
  LoopKernels loops;
  SparseKernels sparse;
  MultiplyBinary binary;
  HalfKernels half;
  const DepthwiseKernel* depthwise;  // or nullptr
  PeakFunction peak_products;        // or nullptr
};

extern const GemmKernel kGemmScalar;
extern const LoopKernels kLoopsScalar;
extern const SparseKernels kSparseScalar;
extern const MultiplyBinary kBinaryScalar;
extern const HalfKernels kHalfScalar;
#ifdef KERASOPT_X86
extern const GemmKernel kGemmAvx2;
extern const LoopKernels kLoopsAvx2;
extern const SparseKernels kSparseAvx2;
extern const MultiplyBinary kBinaryAvx2;
extern const HalfKernels kHalfAvx2;
extern const GemmKernel kGemmAvx512Vnni;
extern const LoopKernels kLoopsAvx512;
extern const SparseKernels kSparseAvx512Vnni;
extern const MultiplyBinary kBinaryAvx512Vpopcntdq;
extern const HalfKernels kHalfAvx512Vnni;
extern const DepthwiseKernel kDepthwiseAvx512Vnni;
int64_t PeakProductsAvx2(int64_t steps);
int64_t PeakProductsAvx512Vnni(int64_t steps);
#endif
#ifdef KERASOPT_AVXVNNI
extern const GemmKernel kGemmAvxVnni;
#endif
#ifdef KERASOPT_NEONDOT
extern const GemmKernel kGemmNeonDot;
#endif

}  // namespace kerasopt

#endif  // KERASOPT_KERNELS_KERNEL_TABLE_H_
