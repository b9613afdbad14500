// GEMM micro-kernel for AVX-512 VNNI: 6 rows x 64 columns, groups of four 8-bit products
// (vpdpbusd). Its left operand is unsigned: activations are stored plus 128.

#include <immintrin.h>

#include <utility>

#include "kernels/kernel_table.h"

namespace kerasopt {
namespace {

constexpr int kLanes = 16;
constexpr int kTileRows = 6;
// Quads that a tile of one row sums apart, so that its few sums do not wait for each other.
constexpr int kApart = 4;

void Convert(const int8_t* x, int64_t count, void* out) {
  uint8_t* converted = static_cast<uint8_t*>(out);
  const __m512i sign = _mm512_set1_epi8(-128);
  int64_t i = 0;
  for (; i + 64 <= count; i += 64) {
    _mm512_storeu_si512(converted + i, _mm512_xor_si512(_mm512_loadu_si512(x + i), sign));
  }
  if (i == count) return;
  const __mmask64 mask = (__mmask64{1} << (count - i)) - 1;
  _mm512_mask_storeu_epi8(converted + i, mask,
                          _mm512_xor_si512(_mm512_maskz_loadu_epi8(mask, x + i), sign));
}

void Fill(int8_t x, int64_t count, void* out) {
  __builtin_memset(out, static_cast<uint8_t>(x) ^ 0x80, count);
}

// The intrinsics convert __m512i to vectors of int32 and back, and g++ 12 keeps an array of
// accumulators that is accessed as two types in memory, with a store in every step.
typedef int32_t Accumulators __attribute__((vector_size(64)));

// Four activations in every lane.
inline __m512i Broadcast(const char* a) {
  int32_t quad;
  __builtin_memcpy(&quad, a, sizeof(quad));
  return _mm512_set1_epi32(quad);
}

inline Accumulators Dot(Accumulators sums, __m512i activations, const int8_t* weights) {
  return (Accumulators)_mm512_dpbusd_epi32((__m512i)sums, activations,
                                           _mm512_loadu_si512(weights));
}

// What the stores of a tile share. Ends beyond int32 become its smallest value, so the upper one
// is clamped in float; saturation and `smallest` clamp the lower one.
struct Output {
  explicit Output(const Requantization& r)
      : largest(_mm512_set1_ps(r.max)),
        zero_point(_mm512_set1_epi16(static_cast<int16_t>(r.zero_point))),
        smallest(_mm512_set1_epi8(static_cast<int8_t>(static_cast<int32_t>(r.min) + r.zero_point))),
        order(_mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15)) {}

  __m512 largest;
  __m512i zero_point, smallest, order;
};

inline __m512i Scaled(Accumulators sums, const float* multiplier, const Output& output) {
  const __m512 q = _mm512_mul_ps(_mm512_cvtepi32_ps((__m512i)sums), _mm512_loadu_ps(multiplier));
  return _mm512_cvtps_epi32(_mm512_min_ps(q, output.largest));
}

// Sums of kVectors vectors of columns to int8, in the order of the columns.
template <int kVectors>
inline __m512i Requantized(const Accumulators* sums, const float* multiplier,
                           const Output& output) {
  const __m512i q0 = Scaled(sums[0], multiplier, output);
  const __m512i q1 = kVectors > 1 ? Scaled(sums[1], multiplier + kLanes, output) : q0;
  const __m512i q2 = kVectors > 2 ? Scaled(sums[2], multiplier + 2 * kLanes, output) : q0;
  const __m512i q3 = kVectors > 3 ? Scaled(sums[3], multiplier + 3 * kLanes, output) : q2;
  const __m512i low = _mm512_adds_epi16(_mm512_packs_epi32(q0, q1), output.zero_point);
  const __m512i high =
      kVectors > 2 ? _mm512_adds_epi16(_mm512_packs_epi32(q2, q3), output.zero_point) : low;
  const __m512i bytes = _mm512_permutexvar_epi32(output.order, _mm512_packs_epi16(low, high));
  return _mm512_max_epi8(bytes, output.smallest);
}

// Accumulators I = row * kVectors + vector.
template <int kVectors, int... I, int... R>
inline void Tile(std::integer_sequence<int, I...>, std::integer_sequence<int, R...>,
                 const LeftOperand& left, const char* const* rows, const Panel& panel,
                 const Requantization& requantization, __mmask64 mask, int8_t* out,
                 int64_t out_stride) {
  Accumulators sums[] = {
      (Accumulators)_mm512_loadu_si512(requantization.bias + I % kVectors * kLanes)...};
  const int8_t* b = panel.weights;
  for (int64_t run = 0; run < left.runs; ++run) {
    const char* a[] = {rows[R] + left.run_offsets[run]...};
    for (int64_t k = 0; k < left.quads; ++k, b += kVectors * 64) {
      ((sums[I] = Dot(sums[I], Broadcast(a[I / kVectors] + k * 4), b + I % kVectors * 64)), ...);
    }
  }
  const Output output(requantization);
  (_mm512_mask_storeu_epi8(
       out + R * out_stride, mask,
       Requantized<kVectors>(sums + R * kVectors, requantization.multiplier, output)),
   ...);
}

template <int kVectors, int kRows>
void TileOf(const LeftOperand& left, const char* const* rows, const Panel& panel,
            const Requantization& requantization, __mmask64 mask, int8_t* out,
            int64_t out_stride) {
  Tile<kVectors>(std::make_integer_sequence<int, kRows * kVectors>(),
                 std::make_integer_sequence<int, kRows>(), left, rows, panel, requantization, mask,
                 out, out_stride);
}

// Accumulators I = quad * kVectors + vector.
template <int kVectors, int... I>
inline void Row(std::integer_sequence<int, I...>, const LeftOperand& left, const char* row,
                const Panel& panel, const Requantization& requantization, __mmask64 mask,
                int8_t* out) {
  Accumulators sums[] = {(static_cast<void>(I), Accumulators{})...};
  const int8_t* b = panel.weights;
  for (int64_t run = 0; run < left.runs; ++run) {
    const char* a = row + left.run_offsets[run];
    int64_t k = 0;
    for (; k + kApart <= left.quads; k += kApart, b += kApart * kVectors * 64) {
      ((sums[I] = Dot(sums[I], Broadcast(a + (k + I / kVectors) * 4), b + I * 64)), ...);
    }
    for (; k < left.quads; ++k, b += kVectors * 64) {
      ((I < kVectors ? sums[I] = Dot(sums[I], Broadcast(a + k * 4), b + I * 64) : sums[I]), ...);
    }
  }
  Accumulators totals[kVectors];
#pragma GCC unroll 4
  for (int j = 0; j < kVectors; ++j) {
    totals[j] = (Accumulators)_mm512_loadu_si512(requantization.bias + j * kLanes) + sums[j] +
                sums[kVectors + j] + sums[2 * kVectors + j] + sums[3 * kVectors + j];
  }
  _mm512_mask_storeu_epi8(
      out, mask, Requantized<kVectors>(totals, requantization.multiplier, Output(requantization)));
}

template <int kVectors>
void RowOf(const LeftOperand& left, const char* const* rows, const Panel& panel,
           const Requantization& requantization, __mmask64 mask, int8_t* out, int64_t) {
  Row<kVectors>(std::make_integer_sequence<int, kApart * kVectors>(), left, rows[0], panel,
                requantization, mask, out);
}

using TileFunction = void (*)(const LeftOperand&, const char* const*, const Panel&,
                              const Requantization&, __mmask64, int8_t*, int64_t);
// By vectors of columns, then rows.
constexpr TileFunction kTiles[4][kTileRows] = {
    {RowOf<1>, TileOf<1, 2>, TileOf<1, 3>, TileOf<1, 4>, TileOf<1, 5>, TileOf<1, 6>},
    {RowOf<2>, TileOf<2, 2>, TileOf<2, 3>, TileOf<2, 4>, TileOf<2, 5>, TileOf<2, 6>},
    {RowOf<3>, TileOf<3, 2>, TileOf<3, 3>, TileOf<3, 4>, TileOf<3, 5>, TileOf<3, 6>},
    {RowOf<4>, TileOf<4, 2>, TileOf<4, 3>, TileOf<4, 4>, TileOf<4, 5>, TileOf<4, 6>},
};

void Multiply(const LeftOperand& left, int64_t rows, const Panel& panel,
              const Requantization& requantization, int8_t* out, int64_t out_stride) {
  const TileFunction* tiles = kTiles[panel.width / kLanes - 1];
  const __mmask64 mask = ~__mmask64{0} >> (64 - panel.columns);
  for (int64_t row = 0; row < rows; row += kTileRows) {
    const int64_t left_over = rows - row < kTileRows ? rows - row : kTileRows;
    tiles[left_over - 1](left, left.rows + row, panel, requantization, mask,
                         out + row * out_stride, out_stride);
  }
}

}  // namespace

const GemmKernel kGemmAvx512Vnni = {sizeof(uint8_t), 128, Convert, Fill, Multiply};

}  // namespace kerasopt
