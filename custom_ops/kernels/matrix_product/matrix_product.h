// Batched products of two int8 matrices that are both activations.

#ifndef KERASOPT_KERNELS_MATRIX_PRODUCT_MATRIX_PRODUCT_H_
#define KERASOPT_KERNELS_MATRIX_PRODUCT_MATRIX_PRODUCT_H_

#include <cstdint>

#include "kernels/common/broadcast.h"
#include "kernels/common/parallel_for.h"
#include "kernels/matrix_product/table.h"

namespace kerasopt {

// `batch` is of the operands without their last two axes, and `product` of the first matrices.
void QuantizedBatchMatMul(const MatrixProduct& product, const BroadcastPair& batch, int8_t* out,
                          const ParallelFor& parallel_for);

}  // namespace kerasopt

#endif  // KERASOPT_KERNELS_MATRIX_PRODUCT_MATRIX_PRODUCT_H_
