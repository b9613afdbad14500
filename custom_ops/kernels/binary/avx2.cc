// Binary GEMM for AVX2: bits of half bytes are counted by a table of 16.

#include "kernels/binary/table.h"
#include "kernels/gemm/tiles.h"
#include "kernels/gemm/outputs_avx2.h"

namespace kerasopt {
namespace {

struct BinaryWeights {
  using Vector = Accumulators;
  using Int8Output = kerasopt::Int8Output;
  using FloatOutput = kerasopt::FloatOutput;
  static constexpr int kTileRows = 4;
  static constexpr int kColumns = 8, kVectors = 1, kBytes = 32, kQuads = 1;

  static __m256i Activations(const char* row, int64_t i) {
    int32_t quad;
    __builtin_memcpy(&quad, row + i * sizeof(quad), sizeof(quad));
    return _mm256_set1_epi32(quad);
  }

  template <int, int>
  static __m256i Quad(const int8_t* stored) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(stored));
  }

  static Vector Dot(Vector sums, __m256i activations, __m256i weights) {
    const __m256i bits = _mm256_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4, 0, 1, 1,
                                          2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4);
    const __m256i low = _mm256_set1_epi8(15);
    const __m256i differ = _mm256_xor_si256(activations, weights);
    const __m256i counts = _mm256_add_epi8(
        _mm256_shuffle_epi8(bits, _mm256_and_si256(differ, low)),
        _mm256_shuffle_epi8(bits, _mm256_and_si256(_mm256_srli_epi16(differ, 4), low)));
    const __m256i pairs = _mm256_maddubs_epi16(counts, _mm256_set1_epi8(1));
    return (Vector)_mm256_add_epi32((__m256i)sums,
                                    _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
  }

  template <typename Output>
  __attribute__((always_inline)) static void Store(const Output& output, const Vector* sums,
                                                   int64_t row, int first) {
    const __m256i differ = _mm256_slli_epi32((__m256i)sums[0], 13);
    output.Store(_mm256_sub_epi32(_mm256_setzero_si256(), differ), row, first);
  }
};

}  // namespace

const MultiplyBinary kBinaryAvx2 = ToFloat<BinaryWeights>;

}  // namespace kerasopt
