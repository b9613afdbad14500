// Sparse kernels, and what multiplies rows with them.
//
// An element has four bytes: the weights of four neighbouring inputs in int8, or one in float32.
// `block_columns` neighbouring columns have their elements in the same rows, which are stored once
// for them, block after block:
//   ends     uint32, for each block of columns, where the next one begins
//   rows     uint16, the row of each entry; rows of a block ascend
//   values   block_columns elements for each entry
// The inputs are transposed for it: an entry is multiplied with as many pixels as a vector holds.

#ifndef KERASOPT_KERNELS_SPARSE_SPARSE_KERNEL_H_
#define KERASOPT_KERNELS_SPARSE_SPARSE_KERNEL_H_

#include <cstdint>
#include <vector>

#include "kernels/kernel_table.h"

namespace kerasopt {

constexpr int64_t kMostElements = 65536;

struct SparseShape {
  int64_t depth, columns;  // columns of the kernel, rows of the inputs
  int64_t element_inputs;  // 4 or 1
  int64_t block_columns;   // 1 or 4
  int64_t entries;

  int64_t elements() const { return (depth + element_inputs - 1) / element_inputs; }
  int64_t blocks() const { return (columns + block_columns - 1) / block_columns; }
  int64_t value_bytes() const { return entries * block_columns * 4; }
};

// Whether the numbers of a kernel, which may come from a file, stay inside of it, and rows ascend.
bool IsConsistent(const SparseShape& shape, const SparseEntries& entries);

// A sparse int8 kernel that is kept elsewhere, and what follows its sums.
class SparseInt8Kernel {
 public:
  // `bias` and `multiplier` have shape.columns values.
  SparseInt8Kernel(const KernelTable& kernels, const SparseShape& shape,
                   const SparseEntries& entries, const int32_t* bias, const float* multiplier,
                   int32_t input_zero_point);

  const KernelTable& kernels() const { return *kernels_; }
  const SparseShape& shape() const { return shape_; }
  const SparseEntries& entries() const { return entries_; }
  const int32_t* bias() const { return bias_.data(); }
  const float* multiplier() const { return multiplier_.data(); }

 private:
  const KernelTable* kernels_;
  SparseShape shape_;
  SparseEntries entries_;
  // Padded to whole blocks. The bias is corrected for activations that are stored plus 128, and
  // without their zero point subtracted.
  std::vector<int32_t> bias_;
  std::vector<float> multiplier_;
};

}  // namespace kerasopt

#endif  // KERASOPT_KERNELS_SPARSE_SPARSE_KERNEL_H_
