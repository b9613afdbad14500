// GEMM for AVX-VNNI: groups of four 8-bit products (vpdpbusd). Its left operand is unsigned:
// activations are stored plus 128.

#include "kernels/gemm/conversions.h"
#include "kernels/gemm/vectors_avx2.h"

// Made of these vectors.
#include "kernels/gemm/tiles.inc"

namespace kerasopt {
namespace {

void Convert(const void* x, int64_t count, void* out) {
  const int8_t* values = static_cast<const int8_t*>(x);
  int8_t* converted = static_cast<int8_t*>(out);
  const __m256i sign = _mm256_set1_epi8(-128);
  int64_t i = 0;
  for (; i + 32 <= count; i += 32) {
    const __m256i vector = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(values + i));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(converted + i), _mm256_xor_si256(vector, sign));
  }
  for (; i < count; ++i) converted[i] = static_cast<int8_t>(values[i] ^ -128);
}

struct Int8Weights {
  static constexpr int kTileRows = 6;
  static constexpr int kColumns = 16, kVectors = 2, kBytes = 64, kQuads = 1;

  static __m256i Activations(const char* row, int64_t i) {
    return _mm256_set1_epi32(Load<int32_t>(row + i * 4));
  }

  template <int, int kVector>
  static __m256i Quad(const int8_t* stored) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(stored + kVector * 32));
  }

  static Ints Dot(Ints sums, __m256i activations, __m256i weights) {
#ifdef __AVXVNNI__
    return (Ints)_mm256_dpbusd_avx_epi32((__m256i)sums, activations, weights);
#else  // AVX-512 has the same instruction, for tests without the other.
    return (Ints)_mm256_dpbusd_epi32((__m256i)sums, activations, weights);
#endif
  }

  template <typename Output>
  __attribute__((always_inline)) static void Store(const Output& output, const Ints* sums,
                                                   int64_t row, int first) {
    output.Store(sums, row, first);
    output.Store(sums + 1, row, first + kLanes);
  }
};

// Weights stay in the upper halves of bytes, so their sums are sixteen times what they should be.
struct Int4Weights : Int8Weights {
  static constexpr int kQuads = 2;

  template <int kIndex, int kVector>
  static __m256i Quad(const int8_t* stored) {
    const __m256i both = Int8Weights::Quad<0, kVector>(stored);
    const __m256i shifted = kIndex == 0 ? _mm256_slli_epi16(both, 4) : both;
    return _mm256_and_si256(shifted, _mm256_set1_epi8(static_cast<char>(0xf0)));
  }

  template <typename Output>
  __attribute__((always_inline)) static void Store(const Output& output, const Ints* sums,
                                                   int64_t row, int first) {
    const Ints totals[] = {sums[0] >> 4, sums[1] >> 4};
    Int8Weights::Store(output, totals, row, first);
  }
};

struct TwoOfFourWeights : Int8Weights {
  static constexpr int kBytes = 40;

  template <int, int kVector>
  static __m256i Quad(const int8_t* stored) {
    // For each pair of rows, where they find their bytes in a lane; the others become 0.
    const __m256i rows = _mm256_setr_epi32(0x80800100, 0x80018000, 0x01808000, 0x80010080,
                                           0x01800080, 0x01008080, 0, 0);
    const __m256i lanes = _mm256_setr_epi32(0, 0x04040404, 0x08080808, 0x0c0c0c0c, 0, 0x04040404,
                                            0x08080808, 0x0c0c0c0c);
    const __m256i shifts = _mm256_add_epi32(_mm256_setr_epi32(0, 0, 4, 4, 8, 8, 12, 12),
                                            _mm256_set1_epi32(kVector * 16));
    const __m256i pairs = _mm256_srlv_epi32(_mm256_set1_epi64x(Load<int64_t>(stored + 32)), shifts);
    const __m256i order = _mm256_or_si256(_mm256_permutevar8x32_epi32(rows, pairs), lanes);
    const __m256i weights = _mm256_cvtepu16_epi32(
        _mm_loadu_si128(reinterpret_cast<const __m128i*>(stored + kVector * 16)));
    return _mm256_shuffle_epi8(weights, order);
  }
};

constexpr GemmFunctions kInt8 = FunctionsOf<Int8Weights>, kInt4 = FunctionsOf<Int4Weights>,
                        kTwoOfFour = FunctionsOf<TwoOfFourWeights>;

using Uint8s = Conversions<uint8_t, 128>;

}  // namespace

const GemmKernel kGemmAvxVnni = Uint8s::KernelOf(Convert, kInt8, &kInt4, &kTwoOfFour);

}  // namespace kerasopt
