// How a packed kernel stores its weights.
//
// A stored quad has the rows of a kernel that lie in the same bytes, a block of it 16 columns.
//   kInt8       4 rows; a block is [column][row].
//   kInt4       8 rows; a block is [column][row % 4], rows 0 to 3 in the low half of a byte.
//   kTwoOfFour  4 rows, of which a column has two weights that may differ from 0. A block is
//               [column][weight], then half a byte for each column: in which of the pairs of rows
//               (0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3) they are. Even columns come before
//               odd ones, low halves before high ones.
//   kBinary     32 rows; a block is [column][row / 8], a bit for each row, the lowest first, which
//               is set for -1 and clear for 1. Never expanded: see binary/binary.h.
//   kFloat16    1 row; a block is [column], of 2 bytes each. So is kBfloat16. Never expanded: see
//               half/half_matmul.h.

#ifndef KERASOPT_KERNELS_GEMM_WEIGHT_FORMAT_H_
#define KERASOPT_KERNELS_GEMM_WEIGHT_FORMAT_H_

#include <cstdint>

namespace kerasopt {

enum class WeightFormat { kInt8, kInt4, kTwoOfFour, kBinary, kFloat16, kBfloat16 };

constexpr int64_t kQuad = 4;
constexpr int64_t kColumnBlock = 16;

constexpr bool IsHalf(WeightFormat format) {
  return format == WeightFormat::kFloat16 || format == WeightFormat::kBfloat16;
}
constexpr int64_t QuadRows(WeightFormat format) {
  if (IsHalf(format)) return 1;
  return format == WeightFormat::kBinary ? 32 : format == WeightFormat::kInt4 ? 8 : 4;
}
constexpr int64_t BlockBytes(WeightFormat format) {
  if (IsHalf(format)) return 32;
  return format == WeightFormat::kTwoOfFour ? 40 : 64;
}

}  // namespace kerasopt

#endif  // KERASOPT_KERNELS_GEMM_WEIGHT_FORMAT_H_
