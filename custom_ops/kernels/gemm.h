// int8 x int8 matrix multiplication with fused bias and requantization.

#ifndef KERASOPT_KERNELS_GEMM_H_
#define KERASOPT_KERNELS_GEMM_H_

#include <cstdint>

#include "kernels/packed_kernel.h"
#include "kernels/parallel_for.h"

namespace kerasopt {

struct OutputRange {
  int32_t zero_point, min, max;
};

Requantization RequantizationOf(const int32_t* bias, const float* multiplier,
                                const OutputRange& output);

// The rows of a left operand, in blocks that are converted into scratch memory one at a time.
class RowBlocks {
 public:
  virtual ~RowBlocks() = default;

  virtual int64_t blocks() const = 0;
  virtual int64_t largest_block() const = 0;  // rows
  virtual int64_t scratch_bytes() const = 0;
  // Converts a block, and writes where its rows begin; returns their number.
  virtual int64_t Load(int64_t block, char* scratch, const char** rows) const = 0;
  // The row of the output that a block begins with.
  virtual int64_t first_row(int64_t block) const = 0;
  // Where the runs of a row begin, as LeftOperand has it.
  virtual void SetRunOffsets(int64_t* offsets) const = 0;
  // Bytes from the rows of one group to those of the next.
  virtual int64_t group_bytes() const = 0;
};

// Writes rows of groups * columns values.
void Gemm(const RowBlocks& left, const PackedKernel& kernel, const OutputRange& output,
          int8_t* out, const ParallelFor& parallel_for);

// Row-major x of shape (rows, depth).
void QuantizedMatMul(const int8_t* x, int64_t rows, const PackedKernel& kernel,
                     const OutputRange& output, int8_t* out, const ParallelFor& parallel_for);

}  // namespace kerasopt

#endif  // KERASOPT_KERNELS_GEMM_H_
