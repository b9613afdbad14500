// Halves of int16 values as activations of a GEMM.

#ifndef KERASOPT_KERNELS_GEMM_CONVERT_HALVES_H_
#define KERASOPT_KERNELS_GEMM_CONVERT_HALVES_H_

#include <cstdint>

namespace kerasopt {
namespace {

// `Activation` is what the GEMM stores: the value plus kOffset.
template <typename Activation, int kOffset>
struct Halves {
  static constexpr int kVector = 8;
  typedef int16_t Values __attribute__((vector_size(2 * kVector)));
  typedef Activation Activations __attribute__((vector_size(sizeof(Activation) * kVector)));

  template <typename Half>
  static inline void Convert(const void* x, int64_t count, void* out, const Half& half) {
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

  static void ConvertHigh(const void* x, int64_t count, void* out) {
    Convert(x, count, out, [](const auto& values) { return (values >> 8) + kOffset; });
  }

  static void ConvertLow(const void* x, int64_t count, void* out) {
    Convert(x, count, out, [](const auto& values) { return (values & 255) + (kOffset - 128); });
  }
};

}  // namespace
}  // namespace kerasopt

#endif  // KERASOPT_KERNELS_GEMM_CONVERT_HALVES_H_
