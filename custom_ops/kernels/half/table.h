// The functions that each instruction set has for products with float16 or bfloat16 weights.

#ifndef KERASOPT_KERNELS_HALF_TABLE_H_
#define KERASOPT_KERNELS_HALF_TABLE_H_

#include <cstdint>

#include "kernels/gemm/table.h"

namespace kerasopt {

// What follows the sums of columns: sum * scale + bias, rounded once.
struct ChannelAffine {
  const float* scale;
  const float* bias;
};

// Multiplies float32 rows with a panel of weights of 16 bits. A sum begins with 0 and adds a
// product after the other, in the order of the rows of the kernel, with one rounding each. Columns
// of `affine` are those of the panel, readable up to its width.
using MultiplyHalf = void (*)(const LeftOperand& left, int64_t rows, const Panel& panel,
                              const ChannelAffine& affine, float* out, int64_t out_stride);

struct HalfKernels {
  MultiplyHalf float16, bfloat16;
};

extern const HalfKernels kHalfScalar;
#ifdef KERASOPT_X86
extern const HalfKernels kHalfAvx2;
extern const HalfKernels kHalfAvx512Vnni;
#endif

}  // namespace kerasopt

#endif  // KERASOPT_KERNELS_HALF_TABLE_H_
