// GEMM micro-kernel for AVX2: 6 rows x 16 columns, pairs of 16-bit products (vpmaddwd).
// Operands are widened to 16 bits because vpmaddubsw saturates its sums of two products.

#include <immintrin.h>

#include <utility>

#include "kernels/kernel_table.h"

namespace kerasopt {
namespace {

constexpr int kLanes = 8;
constexpr int kPanelVectors = 2;
constexpr int kTileRows = 6;

void Convert(const int8_t* x, int64_t count, void* out) {
  int16_t* converted = static_cast<int16_t*>(out);
  for (int64_t i = 0; i < count; ++i) converted[i] = x[i];
}

void Fill(int8_t x, int64_t count, void* out) {
  int16_t* converted = static_cast<int16_t*>(out);
  for (int64_t i = 0; i < count; ++i) converted[i] = x;
}

// The intrinsics convert __m256i to vectors of uint32 and back, and g++ 12 keeps an array of
// accumulators that is accessed as two types in memory, with a store in every step.
typedef uint32_t Accumulators __attribute__((vector_size(32)));

inline void Store(Accumulators sums, const Requantization& requantization, int first, int columns,
                  int8_t* out) {
  const __m256i bias =
      _mm256_loadu_si256(reinterpret_cast<const __m256i*>(requantization.bias + first));
  __m256 q = _mm256_mul_ps(_mm256_cvtepi32_ps(_mm256_add_epi32((__m256i)sums, bias)),
                           _mm256_loadu_ps(requantization.multiplier + first));
  q = _mm256_round_ps(q, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  q = _mm256_max_ps(q, _mm256_set1_ps(requantization.min));
  q = _mm256_min_ps(q, _mm256_set1_ps(requantization.max));
  const __m256i integers =
      _mm256_add_epi32(_mm256_cvtps_epi32(q), _mm256_set1_epi32(requantization.zero_point));
  const __m128i words = _mm_packs_epi32(_mm256_castsi256_si128(integers),
                                        _mm256_extracti128_si256(integers, 1));
  alignas(16) int8_t bytes[16];
  _mm_store_si128(reinterpret_cast<__m128i*>(bytes), _mm_packs_epi16(words, words));
  if (columns >= kLanes) {
    __builtin_memcpy(out + first, bytes, kLanes);
  } else {
    for (int j = 0; j < columns; ++j) out[first + j] = bytes[j];
  }
}

// Two activations in every lane.
inline __m256i Broadcast(const char* a) {
  int32_t pair;
  __builtin_memcpy(&pair, a, sizeof(pair));
  return _mm256_set1_epi32(pair);
}

// Accumulators I = row * kVectors + vector.
template <int kVectors, int... I>
void Accumulate(std::integer_sequence<int, I...>, int columns, int64_t depth_groups,
                const char* a, int64_t row_bytes, const __m256i* b,
                const Requantization& requantization, int8_t* out, int64_t out_stride) {
  Accumulators sums[] = {(static_cast<void>(I), Accumulators{})...};
  for (int64_t k = 0; k < depth_groups; ++k, a += sizeof(int32_t), b += kPanelVectors) {
    ((sums[I] += (Accumulators)_mm256_madd_epi16(Broadcast(a + I / kVectors * row_bytes),
                                                 _mm256_load_si256(b + I % kVectors))),
     ...);
  }
  (Store(sums[I], requantization, I % kVectors * kLanes, columns - I % kVectors * kLanes,
         out + I / kVectors * out_stride),
   ...);
}

template <int kRows, int kVectors>
void Tile(int columns, int64_t depth_groups, const char* activations, int64_t row_bytes,
          const void* panel, const Requantization& requantization, int8_t* out,
          int64_t out_stride) {
  Accumulate<kVectors>(std::make_integer_sequence<int, kRows * kVectors>(), columns, depth_groups,
                       activations, row_bytes, static_cast<const __m256i*>(panel), requantization,
                       out, out_stride);
}

using TileFunction = void (*)(int, int64_t, const char*, int64_t, const void*,
                              const Requantization&, int8_t*, int64_t);
constexpr TileFunction kTiles[kPanelVectors][kTileRows] = {
    {Tile<1, 1>, Tile<2, 1>, Tile<3, 1>, Tile<4, 1>, Tile<5, 1>, Tile<6, 1>},
    {Tile<1, 2>, Tile<2, 2>, Tile<3, 2>, Tile<4, 2>, Tile<5, 2>, Tile<6, 2>},
};

void Multiply(int64_t rows, int columns, int64_t depth_groups, const void* activations,
              int64_t row_bytes, const void* panel, const Requantization& requantization,
              int8_t* out, int64_t out_stride) {
  const TileFunction* tiles = kTiles[(columns + kLanes - 1) / kLanes - 1];
  for (int64_t row = 0; row < rows; row += kTileRows) {
    const int64_t left = rows - row;
    tiles[(left < kTileRows ? left : kTileRows) - 1](
        columns, depth_groups, static_cast<const char*>(activations) + row * row_bytes, row_bytes,
        panel, requantization, out + row * out_stride, out_stride);
  }
}

}  // namespace

const GemmKernel kGemmAvx2 = {kLanes * kPanelVectors, 2, sizeof(int16_t), sizeof(int16_t), 0,
                              Convert, Fill, Multiply};

}  // namespace kerasopt
