// Binary GEMM in portable C++.

#include "kernels/kernel_table.h"

namespace kerasopt {
namespace {

constexpr int kColumns = 8, kWordBytes = 4;

void Multiply(const LeftOperand& left, int64_t rows, const Panel& panel, const int32_t* first,
              const FloatScaling& scaling, float* out, int64_t out_stride) {
  for (int64_t row = 0; row < rows; ++row, out += out_stride) {
    for (int column = 0; column < panel.columns; column += kColumns) {
      uint32_t differ[kColumns] = {};
      const int8_t* weights = panel.weights + column * kWordBytes;
      for (int64_t run = 0; run < left.runs; ++run) {
        const char* a = left.rows[row] + left.run_offsets[run];
        for (int64_t q = 0; q < left.quads; ++q, a += kWordBytes, weights += panel.quad_bytes) {
          uint32_t bits, words[kColumns];
          __builtin_memcpy(&bits, a, sizeof(bits));
          __builtin_memcpy(words, weights, sizeof(words));
          for (int j = 0; j < kColumns; ++j) differ[j] += __builtin_popcount(bits ^ words[j]);
        }
      }
      const int left_over = panel.columns - column;
      const int count = left_over < kColumns ? left_over : kColumns;
      int32_t sums[kColumns];
      for (int j = 0; j < kColumns; ++j) {
        sums[j] = first[column + j] - static_cast<int32_t>(differ[j] << 13);
      }
      const FloatScaling columns = {scaling.row_scales + row, scaling.scale + column,
                                    scaling.bias == nullptr ? nullptr : scaling.bias + column};
      kLoopsScalar.gemm.scale_to_float(sums, count, columns, out + column);
    }
  }
}

}  // namespace

const MultiplyBinary kBinaryScalar = Multiply;

}  // namespace kerasopt
