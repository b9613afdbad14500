// The vectors that tiles.inc is made of, for AVX2.

#ifndef KERASOPT_KERNELS_GEMM_VECTORS_AVX2_H_
#define KERASOPT_KERNELS_GEMM_VECTORS_AVX2_H_

#include <immintrin.h>

#include <cstdint>

namespace kerasopt {
namespace {

constexpr int kLanes = 8, kStored = 8;

// The intrinsics convert __m256i to vectors of int32 and back, and g++ 12 keeps an array of
// accumulators that is accessed as two types in memory, with a store in every step.
typedef int32_t Ints __attribute__((vector_size(32)));
using Floats = __m256;
using Words = __m128i;
using Bytes = __m128i;

inline Words RepeatWord(int16_t value) { return _mm_set1_epi16(value); }
inline Bytes RepeatByte(int8_t value) { return _mm_set1_epi8(value); }
inline Floats Repeat(float value) { return _mm256_set1_ps(value); }
inline Floats Smaller(Floats x, Floats y) { return _mm256_min_ps(x, y); }
inline Floats Larger(Floats x, Floats y) { return _mm256_max_ps(x, y); }
inline Ints Rounded(Floats x) { return (Ints)_mm256_cvtps_epi32(x); }

inline Bytes Narrowed(const Ints* x, Words zero_point) {
  const __m256i integers = (__m256i)*x;
  const Words words =
      _mm_packs_epi32(_mm256_castsi256_si128(integers), _mm256_extracti128_si256(integers, 1));
  const Words moved = _mm_adds_epi16(words, zero_point);
  return _mm_packs_epi16(moved, moved);
}
inline Bytes Clamped(Bytes x, Bytes smallest, Bytes largest) {
  return _mm_min_epi8(_mm_max_epi8(x, smallest), largest);
}

}  // namespace
}  // namespace kerasopt

#endif  // KERASOPT_KERNELS_GEMM_VECTORS_AVX2_H_
