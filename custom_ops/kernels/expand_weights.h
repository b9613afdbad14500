// Packed weights of few bits as kInt8 has them, for loops.inc.

#ifndef KERASOPT_KERNELS_EXPAND_WEIGHTS_H_
#define KERASOPT_KERNELS_EXPAND_WEIGHTS_H_

#include <cstring>

#include "kernels/weight_format.h"

namespace kerasopt {
namespace {

constexpr int64_t kExpandedBlock = kColumnBlock * kQuad;  // bytes of four rows

void ExpandInt4(const int8_t* __restrict stored, int64_t quads, int64_t blocks,
                int8_t* __restrict out) {
  const int64_t row_bytes = blocks * kExpandedBlock;
  for (int64_t quad = 0; quad < quads; ++quad, out += row_bytes) {
    for (int64_t i = 0; i < blocks; ++i, stored += kExpandedBlock, out += kExpandedBlock) {
      for (int64_t j = 0; j < kExpandedBlock; ++j) {
        out[j] = static_cast<int8_t>(((stored[j] & 15) ^ 8) - 8);
        out[row_bytes + j] = stored[j] >> 4;
      }
    }
  }
}

// Vectors of half a block: wider ones are taken apart in memory, by g++ 12 for AVX2.
constexpr int64_t kHalfBlock = kColumnBlock / 2;
typedef uint16_t StoredWeights __attribute__((vector_size(2 * kHalfBlock)));
typedef uint32_t Columns __attribute__((vector_size(4 * kHalfBlock)));
typedef uint64_t ColumnPairs __attribute__((vector_size(4 * kHalfBlock)));

// Two bits for each pair of rows, and where they are shifted to say how many bits below a row is.
constexpr uint32_t RowShifts(uint32_t r0, uint32_t r1, uint32_t r2, uint32_t r3, uint32_t r4,
                             uint32_t r5) {
  return (r0 | r1 << 2 | r2 << 4 | r3 << 6 | r4 << 8 | r5 << 10) << 3;
}

// Lanes are columns, whose rows are bytes from the lowest one on.
void ExpandTwoOfFour(const int8_t* stored, int64_t blocks, int8_t* out) {
  constexpr uint32_t kFirst = RowShifts(0, 0, 0, 1, 1, 2), kSecond = RowShifts(1, 2, 3, 2, 3, 3);
  constexpr Columns kShifts[] = {{0, 0, 4, 4, 8, 8, 12, 12}, {16, 16, 20, 20, 24, 24, 28, 28}};
  for (int64_t i = 0; i < blocks; ++i, stored += BlockBytes(WeightFormat::kTwoOfFour)) {
    uint64_t pairs_of_all;
    std::memcpy(&pairs_of_all, stored + 2 * kColumnBlock, sizeof(pairs_of_all));
    for (int64_t half = 0; half < 2; ++half, out += kExpandedBlock / 2) {
      StoredWeights stored_weights;
      std::memcpy(&stored_weights, stored + half * sizeof(stored_weights), sizeof(stored_weights));
      const Columns weights = __builtin_convertvector(stored_weights, Columns);
      const Columns pairs = ((Columns)(ColumnPairs{} + pairs_of_all) >> kShifts[half] & 7) * 2;
      const Columns rows = (weights & 255) << (kFirst >> pairs & 24) |
                           (weights >> 8) << (kSecond >> pairs & 24);
      std::memcpy(out, &rows, sizeof(rows));
    }
  }
}

void Expand(const int8_t* stored, WeightFormat format, int64_t quads, int width, int8_t* out) {
  const int64_t blocks = width / kColumnBlock;
  if (format == WeightFormat::kInt4) {
    ExpandInt4(stored, quads, blocks, out);
  } else {
    ExpandTwoOfFour(stored, quads * blocks, out);
  }
}

}  // namespace
}  // namespace kerasopt

#endif  // KERASOPT_KERNELS_EXPAND_WEIGHTS_H_
