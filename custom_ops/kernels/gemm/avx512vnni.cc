// GEMM for AVX-512 VNNI: groups of four 8-bit products (vpdpbusd). Its left operand is unsigned:
// activations are stored plus 128.

#include "kernels/gemm/conversions.h"
#include "kernels/gemm/tiles_avx512.h"

namespace kerasopt {
namespace {

void Convert(const void* x, int64_t count, void* out) {
  const int8_t* values = static_cast<const int8_t*>(x);
  uint8_t* converted = static_cast<uint8_t*>(out);
  const __m512i sign = _mm512_set1_epi8(-128);
  int64_t i = 0;
  for (; i + 64 <= count; i += 64) {
    _mm512_storeu_si512(converted + i, _mm512_xor_si512(_mm512_loadu_si512(values + i), sign));
  }
  if (i == count) return;
  const __mmask64 mask = (__mmask64{1} << (count - i)) - 1;
  _mm512_mask_storeu_epi8(converted + i, mask,
                          _mm512_xor_si512(_mm512_maskz_loadu_epi8(mask, values + i), sign));
}

inline Ints DotBytes(Ints sums, __m512i activations, __m512i weights) {
  return (Ints)_mm512_dpbusd_epi32((__m512i)sums, activations, weights);
}

struct Int8Weights : PlainWeights {
  static Ints Dot(Ints sums, __m512i activations, __m512i weights) {
    return DotBytes(sums, activations, weights);
  }
  static Ints Begin(const int32_t* first) { return Load<Ints>(first); }
  static Ints End(Ints sums, const int32_t*) { return sums; }
};

// Weights stay in the upper halves of bytes, so their sums are sixteen times what they should be.
struct Int4Weights {
  static constexpr int kQuads = 2, kBytes = 64;

  template <int kIndex>
  static __m512i Quad(const int8_t* stored) {
    const __m512i both = _mm512_loadu_si512(stored);
    const __m512i shifted = kIndex == 0 ? _mm512_slli_epi16(both, 4) : both;
    return _mm512_and_si512(shifted, _mm512_set1_epi8(static_cast<char>(0xf0)));
  }
  static Ints Dot(Ints sums, __m512i activations, __m512i weights) {
    return DotBytes(sums, activations, weights);
  }
  static Ints Begin(const int32_t*) { return Ints{}; }
  static Ints End(Ints sums, const int32_t* first) { return Load<Ints>(first) + (sums >> 4); }
};

struct TwoOfFourWeights : Int8Weights {
  static constexpr int kBytes = 40;

  template <int kIndex>
  static __m512i Quad(const int8_t* stored) {
    // For each pair of rows, where they find their bytes in a lane; the others become 0.
    const __m512i rows = _mm512_setr_epi32(0x80800100, 0x80018000, 0x01808000, 0x80010080,
                                           0x01800080, 0x01008080, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
    const __m512i lanes = _mm512_set_epi32(0x0c0c0c0c, 0x08080808, 0x04040404, 0, 0x0c0c0c0c,
                                           0x08080808, 0x04040404, 0, 0x0c0c0c0c, 0x08080808,
                                           0x04040404, 0, 0x0c0c0c0c, 0x08080808, 0x04040404, 0);
    const __m512i shifts =
        _mm512_setr_epi32(0, 0, 4, 4, 8, 8, 12, 12, 16, 16, 20, 20, 24, 24, 28, 28);
    const __m512i pairs = _mm512_srlv_epi32(_mm512_set1_epi64(Load<int64_t>(stored + 32)), shifts);
    const __m512i order = _mm512_or_si512(_mm512_permutexvar_epi32(pairs, rows), lanes);
    const __m512i weights =
        _mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(stored)));
    return _mm512_shuffle_epi8(weights, order);
  }
};

constexpr GemmFunctions kInt8 = FunctionsOf<Int8Weights>, kInt4 = FunctionsOf<Int4Weights>,
                        kTwoOfFour = FunctionsOf<TwoOfFourWeights>;

using Uint8s = Conversions<uint8_t, 128>;

}  // namespace

const GemmKernel kGemmAvx512Vnni = Uint8s::KernelOf(Convert, kInt8, &kInt4, &kTwoOfFour);

}  // namespace kerasopt
