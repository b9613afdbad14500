// int8 x int8 matrix multiplication with fused bias and requantization.

#ifndef KERASOPT_KERNELS_GEMM_H_
#define KERASOPT_KERNELS_GEMM_H_

#include <cstdint>
#include <functional>

#include "kernels/packed_weights.h"
#include "kernels/parallel_for.h"

namespace kerasopt {

struct OutputQuantization {
  const int32_t* bias;
  const float* multiplier;
  int32_t input_zero_point;
  int32_t output_zero_point;
  int32_t output_min;
  int32_t output_max;
};

// Writes rows [begin, end) of the left operand, converted for the GEMM, `row_bytes` apart.
using RowSource =
    std::function<void(int64_t begin, int64_t end, int64_t row_bytes, char* out)>;

void Gemm(int64_t rows, const RowSource& source, const PackedWeights& weights,
          const OutputQuantization& quantization, int8_t* out, const ParallelFor& parallel_for);

// The requantization of columns from `first` on.
Requantization RequantizationOf(const OutputQuantization& quantization, const int32_t* bias,
                                const float* multiplier);

// Row-major x of shape (rows, depth).
void QuantizedMatMul(const int8_t* x, int64_t rows, int64_t depth, const PackedWeights& weights,
                     const OutputQuantization& quantization, int8_t* out,
                     const ParallelFor& parallel_for);

}  // namespace kerasopt

#endif  // KERASOPT_KERNELS_GEMM_H_
