// Binary GEMM for AVX2: bits of half bytes are counted by a table of 16.

#include "kernels/binary/table.h"
#include "kernels/gemm/vectors_avx2.h"

// Made of these vectors.
#include "kernels/gemm/tiles.inc"

namespace kerasopt {
namespace {

struct BinaryWeights {
  static constexpr int kTileRows = 4;
  static constexpr int kColumns = 8, kVectors = 1, kBytes = 32, kQuads = 1;

  static __m256i Activations(const char* row, int64_t i) {
    return _mm256_set1_epi32(Load<int32_t>(row + i * 4));
  }

  template <int, int>
  static __m256i Quad(const int8_t* stored) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(stored));
  }

  static Ints Dot(Ints sums, __m256i activations, __m256i weights) {
    const __m256i bits = _mm256_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4, 0, 1, 1,
                                          2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4);
    const __m256i low = _mm256_set1_epi8(15);
    const __m256i differ = _mm256_xor_si256(activations, weights);
    const __m256i counts = _mm256_add_epi8(
        _mm256_shuffle_epi8(bits, _mm256_and_si256(differ, low)),
        _mm256_shuffle_epi8(bits, _mm256_and_si256(_mm256_srli_epi16(differ, 4), low)));
    const __m256i pairs = _mm256_maddubs_epi16(counts, _mm256_set1_epi8(1));
    return (Ints)_mm256_add_epi32((__m256i)sums, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
  }

  template <typename Output>
  __attribute__((always_inline)) static void Store(const Output& output, const Ints* sums,
                                                   int64_t row, int first) {
    const Ints totals = -(sums[0] << 13);
    output.Store(&totals, row, first);
  }
};

}  // namespace

const MultiplyBinary kBinaryAvx2 = ToFloat<BinaryWeights>;

}  // namespace kerasopt
