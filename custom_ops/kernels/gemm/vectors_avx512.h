// The vectors that tiles_avx512.h is made of.

#ifndef KERASOPT_KERNELS_GEMM_VECTORS_AVX512_H_
#define KERASOPT_KERNELS_GEMM_VECTORS_AVX512_H_

#include <immintrin.h>

#include <cstdint>

namespace kerasopt {
namespace {

constexpr int kLanes = 16;

// The intrinsics convert __m512i to vectors of int32 and back, and g++ 12 keeps an array of
// accumulators that is accessed as two types in memory, with a store in every step.
typedef int32_t Ints __attribute__((vector_size(64)));
using Floats = __m512;
using Words = __m512i;
using Bytes = __m512i;

inline Words RepeatWord(int16_t value) { return _mm512_set1_epi16(value); }
inline Bytes RepeatByte(int8_t value) { return _mm512_set1_epi8(value); }
inline Floats Repeat(float value) { return _mm512_set1_ps(value); }
inline Floats Smaller(Floats x, Floats y) { return _mm512_min_ps(x, y); }
inline Floats Larger(Floats x, Floats y) { return _mm512_max_ps(x, y); }
inline Ints Rounded(Floats x) { return (Ints)_mm512_cvtps_epi32(x); }

}  // namespace
}  // namespace kerasopt

#endif  // KERASOPT_KERNELS_GEMM_VECTORS_AVX512_H_
