// How activations are written for a GEMM.

#ifndef KERASOPT_KERNELS_GEMM_ACTIVATIONS_H_
#define KERASOPT_KERNELS_GEMM_ACTIVATIONS_H_

#include <cstdint>

#include "kernels/common/copy.h"
#include "kernels/gemm/table.h"

namespace kerasopt {

inline Copy CopyOf(const GemmKernel& gemm) {
  return {sizeof(int8_t), gemm.activation_bytes, gemm.convert, gemm.fill};
}

// The halves of int16 activations.
inline Copy CopyHighOf(const GemmKernel& gemm) {
  return {sizeof(int16_t), gemm.activation_bytes, gemm.convert_high, gemm.fill};
}
inline Copy CopyLowOf(const GemmKernel& gemm) {
  return {sizeof(int16_t), gemm.activation_bytes, gemm.convert_low, gemm.fill};
}

}  // namespace kerasopt

#endif  // KERASOPT_KERNELS_GEMM_ACTIVATIONS_H_
