// How values of a left operand are written to scratch memory.

#ifndef KERASOPT_KERNELS_COPY_H_
#define KERASOPT_KERNELS_COPY_H_

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "kernels/kernel_table.h"

namespace kerasopt {

struct Copy {
  int source_bytes, value_bytes;  // of a value before and after
  ConvertFunction convert;
  void (*fill)(int8_t x, int64_t count, void* out);
};

// Values as they are.
template <typename T>
constexpr Copy kPlainCopy = {
    sizeof(T), sizeof(T),
    [](const void* x, int64_t count, void* out) { std::memcpy(out, x, count * sizeof(T)); },
    [](int8_t x, int64_t count, void* out) { std::fill_n(static_cast<T*>(out), count, T(x)); }};

// int8 activations as a GEMM has them.
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

#endif  // KERASOPT_KERNELS_COPY_H_
