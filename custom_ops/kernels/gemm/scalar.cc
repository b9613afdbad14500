// GEMM micro-kernel in portable C++: one row, four columns at a time.

#include "kernels/gemm/conversions.h"
#include "kernels/kernel_table.h"

namespace kerasopt {
namespace {

constexpr int kColumns = 4;

// Sums of kColumns columns. Unsigned, so that sums beyond int32 wrap around as in the vector
// instructions.
void SumColumns(const LeftOperand& left, const char* row, const Panel& panel, int first,
                uint32_t* sums) {
  const int8_t* weights = panel.weights + first * kQuad;
  for (int64_t run = 0; run < left.runs; ++run) {
    const int8_t* a = reinterpret_cast<const int8_t*>(row + left.run_offsets[run]);
    for (int64_t q = 0; q < left.quads; ++q, a += kQuad, weights += panel.quad_bytes) {
      for (int j = 0; j < kColumns; ++j) {
        for (int k = 0; k < kQuad; ++k) {
          sums[j] += static_cast<uint32_t>(a[k] * weights[j * kQuad + k]);
        }
      }
    }
  }
}

void ToInt8(const LeftOperand& left, int64_t rows, const Panel& panel,
            const Requantization& requantization, int8_t* out, int64_t out_stride) {
  for (int64_t row = 0; row < rows; ++row, out += out_stride) {
    for (int first = 0; first < panel.columns; first += kColumns) {
      uint32_t sums[kColumns] = {};
      SumColumns(left, left.rows[row], panel, first, sums);
      Requantization columns = requantization;
      columns.bias += first;
      columns.multiplier += first;
      const int count = panel.columns - first < kColumns ? panel.columns - first : kColumns;
      kLoopsScalar.gemm.requantize(reinterpret_cast<const int32_t*>(sums), count, columns,
                                   out + first);
    }
  }
}

void ToFloat(const LeftOperand& left, int64_t rows, const Panel& panel, const int32_t* first_sums,
             const FloatScaling& scaling, float* out, int64_t out_stride) {
  for (int64_t row = 0; row < rows; ++row, out += out_stride) {
    for (int first = 0; first < panel.columns; first += kColumns) {
      uint32_t sums[kColumns];
      __builtin_memcpy(sums, first_sums + first, sizeof(sums));
      SumColumns(left, left.rows[row], panel, first, sums);
      const FloatScaling columns = {scaling.row_scales + row, scaling.scale + first,
                                    scaling.bias == nullptr ? nullptr : scaling.bias + first};
      const int count = panel.columns - first < kColumns ? panel.columns - first : kColumns;
      kLoopsScalar.gemm.scale_to_float(reinterpret_cast<const int32_t*>(sums), count, columns,
                                       out + first);
    }
  }
}

void ToSums(const LeftOperand& left, int64_t rows, const Panel& panel, int32_t* out,
            int64_t out_stride) {
  for (int64_t row = 0; row < rows; ++row, out += out_stride) {
    for (int first = 0; first < panel.width; first += kColumns) {
      uint32_t sums[kColumns] = {};
      SumColumns(left, left.rows[row], panel, first, sums);
      __builtin_memcpy(out + first, sums, sizeof(sums));
    }
  }
}

using Int8s = Conversions<int8_t, 0>;

}  // namespace

const GemmKernel kGemmScalar =
    Int8s::KernelOf(Int8s::Convert, {ToInt8, ToFloat, ToSums}, nullptr, nullptr);

}  // namespace kerasopt
