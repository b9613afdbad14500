// The functions that each instruction set has for sparse matrix multiplications.

#ifndef KERASOPT_KERNELS_SPARSE_TABLE_H_
#define KERASOPT_KERNELS_SPARSE_TABLE_H_

#include <cstdint>

#include "kernels/common/sums.h"

namespace kerasopt {

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

// How many pixels, and how many elements of them, are transposed at once.
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

extern const SparseKernels kSparseScalar;
#ifdef KERASOPT_X86
extern const SparseKernels kSparseAvx2;
extern const SparseKernels kSparseAvx512Vnni;
#endif

}  // namespace kerasopt

#endif  // KERASOPT_KERNELS_SPARSE_TABLE_H_
