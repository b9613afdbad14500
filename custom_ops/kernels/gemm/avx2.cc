// GEMM for AVX2: pairs of 16-bit products (vpmaddwd). Operands are widened to 16 bits because
// vpmaddubsw saturates its sums of two products.

#include "kernels/gemm/convert_halves.h"
#include "kernels/gemm/tiles.h"
#include "kernels/gemm/outputs_avx2.h"

namespace kerasopt {
namespace {

void Convert(const void* x, int64_t count, void* out) {
  const int8_t* values = static_cast<const int8_t*>(x);
  int16_t* converted = static_cast<int16_t*>(out);
  for (int64_t i = 0; i < count; ++i) converted[i] = values[i];
}

void Fill(int8_t x, int64_t count, void* out) {
  int16_t* converted = static_cast<int16_t*>(out);
  for (int64_t i = 0; i < count; ++i) converted[i] = x;
}

// Each lane has half the sum of a column.
struct Int8Weights {
  using Vector = Accumulators;
  using Int8Output = kerasopt::Int8Output;
  using FloatOutput = kerasopt::FloatOutput;
  using SumsOutput = kerasopt::SumsOutput;
  static constexpr int kTileRows = 6;
  static constexpr int kColumns = 8, kVectors = 2, kBytes = 32, kQuads = 1;

  static __m256i Activations(const char* row, int64_t i) {
    int64_t quad;
    __builtin_memcpy(&quad, row + i * sizeof(quad), sizeof(quad));
    return _mm256_set1_epi64x(quad);
  }

  template <int, int kVector>
  static __m256i Quad(const int8_t* stored) {
    return _mm256_cvtepi8_epi16(
        _mm_loadu_si128(reinterpret_cast<const __m128i*>(stored + kVector * 16)));
  }

  static Vector Dot(Vector sums, __m256i activations, __m256i weights) {
    return (Vector)_mm256_add_epi32((__m256i)sums, _mm256_madd_epi16(activations, weights));
  }

  template <typename Output>
  __attribute__((always_inline)) static void Store(const Output& output, const Vector* sums,
                                                   int64_t row, int first) {
    const __m256i pairs = _mm256_hadd_epi32((__m256i)sums[0], (__m256i)sums[1]);
    output.Store(_mm256_permute4x64_epi64(pairs, _MM_SHUFFLE(3, 1, 2, 0)), row, first);
  }
};

using Int16Halves = Halves<int16_t, 0>;

}  // namespace

const GemmKernel kGemmAvx2 = {
    sizeof(int16_t), 0, Convert, Int16Halves::ConvertHigh, Int16Halves::ConvertLow, Fill,
    FunctionsOf<Int8Weights>, nullptr, nullptr};

}  // namespace kerasopt
