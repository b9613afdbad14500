#include "kernels/sparse/sparse_kernel.h"

namespace kerasopt {
namespace {

// What the tiles add to activations.
constexpr uint32_t kOffset = 128;

}  // namespace

bool IsConsistent(const SparseShape& shape, const SparseEntries& entries) {
  uint32_t begin = 0;
  for (int64_t block = 0; block < shape.blocks(); ++block) {
    const uint32_t end = entries.ends[block];
    if (end < begin || end > shape.entries) return false;
    for (uint32_t i = begin; i < end; ++i) {
      const bool ascends = i == begin || entries.rows[i] > entries.rows[i - 1];
      if (!ascends || entries.rows[i] >= shape.elements()) return false;
    }
    begin = end;
  }
  return begin == shape.entries;
}

SparseInt8Kernel::SparseInt8Kernel(const KernelTable& kernels, const SparseShape& shape,
                                   const SparseEntries& entries, const int32_t* bias,
                                   const float* multiplier, int32_t input_zero_point)
    : kernels_(&kernels),
      shape_(shape),
      entries_(entries),
      bias_(shape.blocks() * shape.block_columns, 0),
      multiplier_(shape.blocks() * shape.block_columns, 1.0f) {
  const uint32_t offset = kOffset + static_cast<uint32_t>(input_zero_point);
  const int8_t* weights = static_cast<const int8_t*>(entries.values);
  for (int64_t column = 0; column < shape.columns; ++column) {
    const int64_t block = column / shape.block_columns, at = column % shape.block_columns;
    uint32_t sum = 0;  // unsigned, since sums wrap around
    for (uint32_t i = block == 0 ? 0 : entries.ends[block - 1]; i < entries.ends[block]; ++i) {
      for (int k = 0; k < 4; ++k) {
        sum += static_cast<uint32_t>(weights[(i * shape.block_columns + at) * 4 + k]);
      }
    }
    bias_[column] = static_cast<int32_t>(static_cast<uint32_t>(bias[column]) - offset * sum);
    multiplier_[column] = multiplier[column];
  }
}

}  // namespace kerasopt
