// GEMM micro-kernel for AVX2: 6 rows x 8 columns, pairs of 16-bit products (vpmaddwd).
// Operands are widened to 16 bits because vpmaddubsw saturates its sums of two products.

#include <immintrin.h>

#include <utility>

#include "kernels/kernel_table.h"

namespace kerasopt {
namespace {

constexpr int kLanes = 8, kQuad = 4;
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

// What the sums of a panel become. `Store` writes those of a row from column `first` on.
struct Int8Output {
  Requantization requantization;
  int8_t* out;
  int64_t stride;
  int columns;

  const int32_t* first_sums() const { return requantization.bias; }

  // Scaled sums are in int32, see packed_kernel.h.
  void Store(__m256i sums, int64_t row, int first) const {
    const __m256 q = _mm256_mul_ps(_mm256_cvtepi32_ps(sums),
                                   _mm256_loadu_ps(requantization.multiplier + first));
    const auto bound = [](float end) { return _mm256_set1_epi32(static_cast<int32_t>(end)); };
    const __m256i clamped = _mm256_min_epi32(
        _mm256_max_epi32(_mm256_cvtps_epi32(q), bound(requantization.min)),
        bound(requantization.max));
    const __m256i integers =
        _mm256_add_epi32(clamped, _mm256_set1_epi32(requantization.zero_point));
    const __m128i words =
        _mm_packs_epi32(_mm256_castsi256_si128(integers), _mm256_extracti128_si256(integers, 1));
    alignas(16) int8_t bytes[16];
    _mm_store_si128(reinterpret_cast<__m128i*>(bytes), _mm_packs_epi16(words, words));
    int8_t* at = out + row * stride + first;
    if (columns - first >= kLanes) {
      __builtin_memcpy(at, bytes, kLanes);
    } else {
      for (int j = 0; first + j < columns; ++j) at[j] = bytes[j];
    }
  }
};

struct FloatOutput {
  const int32_t* first;
  FloatScaling scaling;
  float* out;
  int64_t stride;
  int columns;

  const int32_t* first_sums() const { return first; }

  void Store(__m256i sums, int64_t row, int first) const {
    alignas(32) int32_t values[kLanes];
    _mm256_store_si256(reinterpret_cast<__m256i*>(values), sums);
    const FloatScaling own = {scaling.row_scales + row, scaling.scale + first,
                              scaling.bias == nullptr ? nullptr : scaling.bias + first};
    const int left = columns - first;
    kLoopsAvx2.scale_to_float(values, left < kLanes ? left : kLanes, own,
                              out + row * stride + first);
  }
};

// Four activations, as often as they fit.
inline __m256i Broadcast(const char* a) {
  int64_t quad;
  __builtin_memcpy(&quad, a, sizeof(quad));
  return _mm256_set1_epi64x(quad);
}

// Quads of four columns, widened.
inline __m256i Widened(const int8_t* weights) {
  return _mm256_cvtepi8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(weights)));
}

// Accumulators I = row * 2 + half: each lane has half the sum of a column.
template <typename Output, int... I, int... R>
inline void Tile(std::integer_sequence<int, I...>, std::integer_sequence<int, R...>,
                 const LeftOperand& left, int64_t row, const Panel& panel, int first,
                 const Output& output) {
  Accumulators sums[] = {(static_cast<void>(I), Accumulators{})...};
  const int8_t* b = panel.weights + first * kQuad;
  for (int64_t run = 0; run < left.runs; ++run) {
    const char* a[] = {left.rows[row + R] + left.run_offsets[run]...};
    for (int64_t k = 0; k < left.quads; ++k, b += panel.quad_bytes) {
      const __m256i weights[] = {Widened(b), Widened(b + 16)};
      ((sums[I] += (Accumulators)_mm256_madd_epi16(
            Broadcast(a[I / 2] + k * kQuad * sizeof(int16_t)), weights[I % 2])),
       ...);
    }
  }
  const __m256i first_sums =
      _mm256_loadu_si256(reinterpret_cast<const __m256i*>(output.first_sums() + first));
  const auto whole = [&](int r) {
    const __m256i pairs = _mm256_hadd_epi32((__m256i)sums[2 * r], (__m256i)sums[2 * r + 1]);
    return _mm256_add_epi32(first_sums, _mm256_permute4x64_epi64(pairs, _MM_SHUFFLE(3, 1, 2, 0)));
  };
  (output.Store(whole(R), row + R, first), ...);
}

template <typename Output, int kRows>
void TileOf(const LeftOperand& left, int64_t row, const Panel& panel, int first,
            const Output& output) {
  Tile(std::make_integer_sequence<int, 2 * kRows>(), std::make_integer_sequence<int, kRows>(), left,
       row, panel, first, output);
}

template <typename Output>
void MultiplyTo(const LeftOperand& left, int64_t rows, const Panel& panel, const Output& output) {
  constexpr void (*kTiles[kTileRows])(const LeftOperand&, int64_t, const Panel&, int,
                                      const Output&) = {
      TileOf<Output, 1>, TileOf<Output, 2>, TileOf<Output, 3>,
      TileOf<Output, 4>, TileOf<Output, 5>, TileOf<Output, 6>};
  for (int first = 0; first < panel.columns; first += kLanes) {
    for (int64_t row = 0; row < rows; row += kTileRows) {
      const int64_t left_over = rows - row < kTileRows ? rows - row : kTileRows;
      kTiles[left_over - 1](left, row, panel, first, output);
    }
  }
}

void ToInt8(const LeftOperand& left, int64_t rows, const Panel& panel,
              const Requantization& requantization, int8_t* out, int64_t out_stride) {
  MultiplyTo(left, rows, panel, Int8Output{requantization, out, out_stride, panel.columns});
}

void ToFloat(const LeftOperand& left, int64_t rows, const Panel& panel,
                     const int32_t* first, const FloatScaling& scaling, float* out,
                     int64_t out_stride) {
  MultiplyTo(left, rows, panel, FloatOutput{first, scaling, out, out_stride, panel.columns});
}

}  // namespace

const GemmKernel kGemmAvx2 = {sizeof(int16_t), 0, Convert, Fill, {ToInt8, ToFloat}, nullptr, nullptr};

}  // namespace kerasopt
