// The functions that each instruction set has for products of float32 rows with packed integers.

#ifndef KERASOPT_KERNELS_WEIGHT_ONLY_TABLE_H_
#define KERASOPT_KERNELS_WEIGHT_ONLY_TABLE_H_

#include <cstdint>

namespace kerasopt {

// Bytes of packed integers that are read at once.
constexpr int kPackedVector = 16;

// Rows x (rows, depth) times a matrix (depth, columns) of packed integers of 2, 4 or 8 bits, the
// first in the lowest bits of a byte: integers are stored less the smallest one. The packed matrix
// is (depth, columns), or if `transposed` (columns, depth), and its rows are whole bytes.
//
// `group` neighbours along the depth are a run, which divides the depth. The integers of a run
// become (integer - zero_point) * scale; runs take turns with `scale_rows` rows of scales,
// (scale_rows, columns), or if `transposed` (columns, scale_rows).
struct WeightOnlyProduct {
  const float* x;
  const uint8_t* packed;
  const float* scale;
  const int8_t* zero_point;
  int64_t rows, depth, columns, group, scale_rows;
  int bits;
  bool transposed;
  float* out;
  int64_t out_stride;

  int64_t runs() const { return depth / group; }
  // Columns that a step of `MultiplyWeightOnly` computes.
  int64_t step_columns() const { return transposed ? 64 : 4 * kPackedVector * 8 / bits; }
  int64_t steps() const { return (columns + step_columns() - 1) / step_columns(); }
  // Of floats; see `PrepareRows`.
  int64_t row_floats() const {
    return (transposed ? depth + kPackedVector * 8 / bits : 0) + runs();
  }
};

// Computes the columns of one step. A sum begins with 0 and adds a product after the other, rounded
// once each; if `transposed`, sixteen sums take turns, which are then added in their order.
// `scratch` is room for rows * row_floats() values, which are set if `prepare`.
using MultiplyWeightOnly = void (*)(const WeightOnlyProduct& product, int64_t step, float* scratch,
                                    bool prepare);

extern const MultiplyWeightOnly kWeightOnlyScalar;
#ifdef KERASOPT_X86
extern const MultiplyWeightOnly kWeightOnlyAvx2;
extern const MultiplyWeightOnly kWeightOnlyAvx512Vnni;
#endif

}  // namespace kerasopt

#endif  // KERASOPT_KERNELS_WEIGHT_ONLY_TABLE_H_
