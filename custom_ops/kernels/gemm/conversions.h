// How activations are converted for a GEMM, which stores the value plus kOffset as `Activation`.

#ifndef KERASOPT_KERNELS_GEMM_CONVERSIONS_H_
#define KERASOPT_KERNELS_GEMM_CONVERSIONS_H_

#include <cstdint>

#include "kernels/gemm/table.h"

namespace kerasopt {
namespace {

template <typename Activation, int kOffset>
struct Conversions {
  static void Convert(const void* x, int64_t count, void* out) {
    const int8_t* values = static_cast<const int8_t*>(x);
    Activation* converted = static_cast<Activation*>(out);
    for (int64_t i = 0; i < count; ++i) converted[i] = static_cast<Activation>(values[i] + kOffset);
  }

  static void ConvertHigh(const void* x, int64_t count, void* out) {
    ConvertHalves(x, count, out, [](const auto& values) { return (values >> 8) + kOffset; });
  }

  static void ConvertLow(const void* x, int64_t count, void* out) {
    ConvertHalves(x, count, out,
                  [](const auto& values) { return (values & 255) + (kOffset - 128); });
  }

  static void Fill(int8_t x, int64_t count, void* out) {
    Activation* converted = static_cast<Activation*>(out);
    for (int64_t i = 0; i < count; ++i) converted[i] = static_cast<Activation>(x + kOffset);
  }

  // `convert` may do better than Convert.
  static constexpr GemmKernel KernelOf(ConvertFunction convert, const GemmFunctions& int8,
                                       const GemmFunctions* int4,
                                       const GemmFunctions* two_of_four) {
    return {sizeof(Activation), kOffset, convert, ConvertHigh, ConvertLow, Fill, int8, int4,
            two_of_four};
  }

 private:
  static constexpr int kVector = 8;
  typedef int16_t Values __attribute__((vector_size(2 * kVector)));
  typedef Activation Activations __attribute__((vector_size(sizeof(Activation) * kVector)));

  template <typename Half>
  static inline void ConvertHalves(const void* x, int64_t count, void* out, const Half& half) {
    const int16_t* values = static_cast<const int16_t*>(x);
    Activation* converted = static_cast<Activation*>(out);
    int64_t i = 0;
    for (; i + kVector <= count; i += kVector) {
      Values vector;
      __builtin_memcpy(&vector, values + i, sizeof(vector));
      const Activations halves = __builtin_convertvector(half(vector), Activations);
      __builtin_memcpy(converted + i, &halves, sizeof(halves));
    }
    for (; i < count; ++i) converted[i] = static_cast<Activation>(half(values[i]));
  }
};

}  // namespace
}  // namespace kerasopt

#endif  // KERASOPT_KERNELS_GEMM_CONVERSIONS_H_
