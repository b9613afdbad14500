// GEMM micro-kernel in portable C++: 1 row x 8 columns, 16-bit operands.

#include "kernels/kernel_table.h"

namespace kerasopt {
namespace {

constexpr int kColumns = 8;

void Convert(const int8_t* x, int64_t count, void* out) {
  int16_t* converted = static_cast<int16_t*>(out);
  for (int64_t i = 0; i < count; ++i) converted[i] = x[i];
}

void Fill(int8_t x, int64_t count, void* out) {
  int16_t* converted = static_cast<int16_t*>(out);
  for (int64_t i = 0; i < count; ++i) converted[i] = x;
}

void Multiply(int64_t rows, int columns, int64_t depth_groups, const void* activations,
              int64_t row_bytes, const void* panel, const Requantization& requantization,
              int8_t* out, int64_t out_stride) {
  for (int64_t row = 0; row < rows; ++row, out += out_stride) {
    const int16_t* a = reinterpret_cast<const int16_t*>(
        static_cast<const char*>(activations) + row * row_bytes);
    const int16_t* b = static_cast<const int16_t*>(panel);
    // Unsigned, so that sums beyond int32 wrap around as in the vector instructions.
    uint32_t sums[kColumns] = {};
    for (int64_t k = 0; k < depth_groups; ++k, b += kColumns) {
      for (int j = 0; j < kColumns; ++j) sums[j] += static_cast<uint32_t>(a[k] * b[j]);
    }
    kLoopsScalar.requantize(reinterpret_cast<const int32_t*>(sums), columns, requantization, out);
  }
}

}  // namespace

const GemmKernel kGemmScalar = {kColumns, 1,       sizeof(int16_t), sizeof(int16_t), 0,
                                Convert,  Fill, Multiply};

}  // namespace kerasopt
