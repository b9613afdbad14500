// The functions that each instruction set has for products of two int8 matrices.

#ifndef KERASOPT_KERNELS_MATRIX_PRODUCT_TABLE_H_
#define KERASOPT_KERNELS_MATRIX_PRODUCT_TABLE_H_

#include <cstdint>

#include "kernels/common/sums.h"

namespace kerasopt {

// Columns that are computed at once.
constexpr int kMatrixColumns = 16;
// Rows, at most, that share what is read of those columns.
constexpr int kMatrixRows = 8;

// x0 of shape (rows, depth) times x1 of shape (depth, columns), whose values along these axes are
// strides apart.
struct MatrixProduct {
  const int8_t* x0;
  const int8_t* x1;
  int64_t rows, depth, columns;
  int64_t strides0[2], strides1[2];
  int32_t zero_point0, zero_point1;
  SumParameters output;

  // Of int16 values, for MultiplyPanelFunction.
  int64_t scratch_size() const { return padded_depth() * (kMatrixColumns + kMatrixRows); }
  // Pairs of values are multiplied.
  int64_t padded_depth() const { return depth + depth % 2; }
};

// Columns from `first` on, up to kMatrixColumns of them, of a product that `out` is room for.
using MultiplyPanelFunction = void (*)(const MatrixProduct& product, int64_t first,
                                       int16_t* scratch, int8_t* out);

}  // namespace kerasopt

#endif  // KERASOPT_KERNELS_MATRIX_PRODUCT_TABLE_H_
