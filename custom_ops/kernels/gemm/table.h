// The functions that each instruction set has for matrix multiplications with packed kernels.

#ifndef KERASOPT_KERNELS_GEMM_TABLE_H_
#define KERASOPT_KERNELS_GEMM_TABLE_H_

#include <cstdint>

#include "kernels/common/sums.h"
#include "kernels/gemm/weight_format.h"

namespace kerasopt {

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
  int columns;             // those that are not padding
  int quad_bytes;          // from one stored quad to the next one
  int64_t next_bytes = 0;  // from the weights to those of the panel that is multiplied next
};

// Multiplies `rows` rows with a panel and writes its columns to rows of `out`, `out_stride` apart.
struct GemmFunctions {
  // bias and multiplier are those of the panel, readable up to its width.
  void (*to_int8)(const LeftOperand& left, int64_t rows, const Panel& panel,
                  const Requantization& requantization, int8_t* out, int64_t out_stride);
  // Sums begin with `first`.
  void (*to_float)(const LeftOperand& left, int64_t rows, const Panel& panel, const int32_t* first,
                   const FloatScaling& scaling, float* out, int64_t out_stride);
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

struct GemmLoops {
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
  // Writes `quads` stored quads of `width` columns, a multiple of kColumnBlock, as kInt8 has them.
  // They are in another format.
  void (*expand)(const int8_t* stored, WeightFormat format, int64_t quads, int width, int8_t* out);
};

extern const GemmKernel kGemmScalar;
#ifdef KERASOPT_X86
extern const GemmKernel kGemmAvx2;
extern const GemmKernel kGemmAvx512Vnni;
#endif
#ifdef KERASOPT_AVXVNNI
extern const GemmKernel kGemmAvxVnni;
#endif
#ifdef KERASOPT_NEONDOT
extern const GemmKernel kGemmNeonDot;
#endif

}  // namespace kerasopt

#endif  // KERASOPT_KERNELS_GEMM_TABLE_H_
