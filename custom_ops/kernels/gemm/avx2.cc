// GEMM for AVX2: pairs of 16-bit products (vpmaddwd). Operands are widened to 16 bits because
// vpmaddubsw saturates its sums of two products.

#include "kernels/gemm/conversions.h"
#include "kernels/gemm/vectors_avx2.h"

// Made of these vectors.
#include "kernels/gemm/tiles.inc"

namespace kerasopt {
namespace {

// Each lane has half the sum of a column.
struct Int8Weights {
  static constexpr int kTileRows = 6;
  static constexpr int kColumns = 8, kVectors = 2, kBytes = 32, kQuads = 1;

  static __m256i Activations(const char* row, int64_t i) {
    return _mm256_set1_epi64x(Load<int64_t>(row + i * 8));
  }

  template <int, int kVector>
  static __m256i Quad(const int8_t* stored) {
    return _mm256_cvtepi8_epi16(
        _mm_loadu_si128(reinterpret_cast<const __m128i*>(stored + kVector * 16)));
  }

  static Ints Dot(Ints sums, __m256i activations, __m256i weights) {
    return (Ints)_mm256_add_epi32((__m256i)sums, _mm256_madd_epi16(activations, weights));
  }

  template <typename Output>
  __attribute__((always_inline)) static void Store(const Output& output, const Ints* sums,
                                                   int64_t row, int first) {
    const __m256i pairs = _mm256_hadd_epi32((__m256i)sums[0], (__m256i)sums[1]);
    const Ints totals = (Ints)_mm256_permute4x64_epi64(pairs, _MM_SHUFFLE(3, 1, 2, 0));
    output.Store(&totals, row, first);
  }
};

using Int16s = Conversions<int16_t, 0>;

}  // namespace

const GemmKernel kGemmAvx2 =
    Int16s::KernelOf(Int16s::Convert, FunctionsOf<Int8Weights>, nullptr, nullptr);

}  // namespace kerasopt
