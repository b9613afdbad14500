// Functions of int8 tensors: by a table, and along rows.

#ifndef KERASOPT_KERNELS_ELEMENTWISE_FUNCTIONS_H_
#define KERASOPT_KERNELS_ELEMENTWISE_FUNCTIONS_H_

#include <cstdint>

#include "kernels/common/parallel_for.h"
#include "kernels/elementwise/table.h"

namespace kerasopt {

// `table` has what -128, -127, ..., 127 become.
void LookUp(const int8_t* x, int64_t count, const int8_t* table, int8_t* out,
            const ParallelFor& parallel_for);

// Rows of 1 to kLongestSoftmax values, with sums that int32 holds. `exponentials` has 256 values,
// of which the first one is kPowerOfZero and none is larger; see ops.quantized_softmax.
constexpr int64_t kLongestSoftmax = (1 << 19) - 1;
constexpr int32_t kPowerOfZero = 1 << 24;
void QuantizedSoftmax(const int8_t* x, int64_t rows, int64_t size, const int32_t* exponentials,
                      int8_t* out, const ParallelFor& parallel_for);

// Rows of 1 to kLongestRow values.
constexpr int64_t kLongestRow = 32768;
void QuantizedLayerNormalization(const int8_t* x, int64_t rows, int64_t size,
                                 const Normalization& normalization, int8_t* out,
                                 const ParallelFor& parallel_for);

}  // namespace kerasopt

#endif  // KERASOPT_KERNELS_ELEMENTWISE_FUNCTIONS_H_
