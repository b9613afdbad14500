// Matrix multiplication with sparse kernels.

#ifndef KERASOPT_KERNELS_SPARSE_SPARSE_MATMUL_H_
#define KERASOPT_KERNELS_SPARSE_SPARSE_MATMUL_H_

#include <cstdint>

#include "kernels/common/parallel_for.h"
#include "kernels/gemm/gemm.h"
#include "kernels/sparse/sparse_kernel.h"

namespace kerasopt {

// Row-major x of shape (rows, depth).
void SparseQuantizedMatMul(const int8_t* x, int64_t rows, const SparseInt8Kernel& kernel,
                           const OutputRange& output, int8_t* out, const ParallelFor& parallel_for);

// float32 sums that begin with the bias, of fused multiply-adds in the order of the entries.
void SparseMatMul(const KernelTable& kernels, const float* x, int64_t rows,
                  const SparseShape& shape, const SparseEntries& entries, const float* bias,
                  float* out, const ParallelFor& parallel_for);

}  // namespace kerasopt

#endif  // KERASOPT_KERNELS_SPARSE_SPARSE_MATMUL_H_
