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

// What the stores of a panel share. Scaled sums are in int32, see packed_kernel.h, and saturate on
// their way to int8.
struct Output {
  Output(const Panel& panel, const Requantization& r, int8_t* out, int64_t stride)
      : multiplier(r.multiplier),
        zero_point(_mm512_set1_epi16(static_cast<int16_t>(r.zero_point))),
        smallest(_mm512_set1_epi8(static_cast<int8_t>(static_cast<int32_t>(r.min) + r.zero_point))),
        largest(_mm512_set1_epi8(static_cast<int8_t>(static_cast<int32_t>(r.max) + r.zero_point))),
        order(_mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15)),
        mask(~__mmask64{0} >> (64 - panel.columns)),
        out(out),
        stride(stride) {}

  const float* multiplier;
  __m512i zero_point, smallest, largest, order;
  __mmask64 mask;
  int8_t* out;
  int64_t stride;  // from one row to the next one
};

inline __m512i Scaled(Accumulators sums, int vector, const Output& output) {
  const __m512 q = _mm512_mul_ps(_mm512_cvtepi32_ps((__m512i)sums),
                                 _mm512_loadu_ps(output.multiplier + vector * kLanes));
  return _mm512_cvtps_epi32(q);
}

// Four vectors of sums to int8, one after another; vector i is of columns from i % kVectors on.
template <int kVectors>
inline __m512i Requantized(Accumulators s0, Accumulators s1, Accumulators s2, Accumulators s3,
                           const Output& output) {
  const __m512i low = _mm512_packs_epi32(Scaled(s0, 0, output), Scaled(s1, 1 % kVectors, output));
  const __m512i high = _mm512_packs_epi32(Scaled(s2, 2 % kVectors, output),
                                          Scaled(s3, 3 % kVectors, output));
  const __m512i bytes = _mm512_packs_epi16(_mm512_adds_epi16(low, output.zero_point),
                                           _mm512_adds_epi16(high, output.zero_point));
  const __m512i clamped =
      _mm512_min_epi8(_mm512_max_epi8(bytes, output.smallest), output.largest);
  return _mm512_permutexvar_epi32(output.order, clamped);
}

// Rows of a tile whose columns fill one vector of bytes.
template <int kVectors>
constexpr int kRowsOfStore = kVectors == 1 ? 4 : kVectors == 2 ? 2 : 1;

// Stores row kRow and those that follow in the same vector of bytes, of kRows.
template <int kVectors, int kRow, int kRows>
inline void Store(const Accumulators* sums, int8_t* out, const Output& output) {
  constexpr int kStored = kRowsOfStore<kVectors>;
  if constexpr (kRow % kStored == 0) {
    // Sums that a last row does not have are those of its first vector.
    const auto at = [&](int i) {
      const int index = kRow * kVectors + (i < kStored * kVectors ? i : 0);
      return sums[index < kRows * kVectors ? index : kRow * kVectors];
    };
    const __m512i bytes = Requantized<kVectors>(at(0), at(1), at(2), at(3), output);
    if constexpr (kVectors == 1) {
      const __mmask16 mask = static_cast<__mmask16>(output.mask);
      _mm_mask_storeu_epi8(out, mask, _mm512_castsi512_si128(bytes));
      if (kRow + 1 < kRows) {
        _mm_mask_storeu_epi8(out + output.stride, mask, _mm512_extracti32x4_epi32(bytes, 1));
      }
      if (kRow + 2 < kRows) {
        _mm_mask_storeu_epi8(out + 2 * output.stride, mask, _mm512_extracti32x4_epi32(bytes, 2));
      }
      if (kRow + 3 < kRows) {
        _mm_mask_storeu_epi8(out + 3 * output.stride, mask, _mm512_extracti32x4_epi32(bytes, 3));
      }
    } else if constexpr (kVectors == 2) {
      const __mmask32 mask = static_cast<__mmask32>(output.mask);
      _mm256_mask_storeu_epi8(out, mask, _mm512_castsi512_si256(bytes));
      if (kRow + 1 < kRows) {
        _mm256_mask_storeu_epi8(out + output.stride, mask, _mm512_extracti64x4_epi64(bytes, 1));
      }
    } else {
      _mm512_mask_storeu_epi8(out, output.mask, bytes);
    }
  }
}

// Accumulators I = row * kVectors + vector.
template <int kVectors, int... I, int... R>
inline void Tile(std::integer_sequence<int, I...>, std::integer_sequence<int, R...>,
                 const LeftOperand& left, const char* const* rows, const Panel& panel,
                 const int32_t* bias, int8_t* out, const Output& output) {
  Accumulators sums[] = {(Accumulators)_mm512_loadu_si512(bias + I % kVectors * kLanes)...};
  const int8_t* b = panel.weights;
  for (int64_t run = 0; run < left.runs; ++run) {
    const char* a[] = {rows[R] + left.run_offsets[run]...};
    for (int64_t k = 0; k < left.quads; ++k, b += kVectors * 64) {
      ((sums[I] = Dot(sums[I], Broadcast(a[I / kVectors] + k * 4), b + I % kVectors * 64)), ...);
    }
  }
  (Store<kVectors, R, sizeof...(R)>(sums, out + R * output.stride, output), ...);
}

// `tiles` tiles of kRows rows.
template <int kVectors, int kRows>
void Tiles(const LeftOperand& left, const char* const* rows, int64_t tiles, const Panel& panel,
           const int32_t* bias, const Output& output) {
  const Output local = output;
  int8_t* out = local.out;
  for (int64_t i = 0; i < tiles; ++i, rows += kRows, out += kRows * local.stride) {
    Tile<kVectors>(std::make_integer_sequence<int, kRows * kVectors>(),
                   std::make_integer_sequence<int, kRows>(), left, rows, panel, bias, out, local);
  }
}

// Accumulators I = quad * kVectors + vector.
template <int kVectors, int... I, int... V>
inline void Row(std::integer_sequence<int, I...>, std::integer_sequence<int, V...>,
                const LeftOperand& left, const char* row, const Panel& panel, const int32_t* bias,
                const Output& output) {
  Accumulators sums[] = {(static_cast<void>(I), Accumulators{})...};
  const int8_t* b = panel.weights;
  for (int64_t run = 0; run < left.runs; ++run) {
    const char* a = row + left.run_offsets[run];
    int64_t k = 0;
    for (; k + kApart <= left.quads; k += kApart, b += kApart * kVectors * 64) {
      ((sums[I] = Dot(sums[I], Broadcast(a + (k + I / kVectors) * 4), b + I * 64)), ...);
    }
    for (; k < left.quads; ++k, b += kVectors * 64) {
      ((sums[V] = Dot(sums[V], Broadcast(a + k * 4), b + V * 64)), ...);
    }
  }
  static_assert(kApart == 4, "four sums are added up");
  const Accumulators totals[] = {(Accumulators)_mm512_loadu_si512(bias + V * kLanes) + sums[V] +
                                 sums[kVectors + V] + sums[2 * kVectors + V] +
                                 sums[3 * kVectors + V]...};
  Store<kVectors, 0, 1>(totals, output.out, output);
}

template <int kVectors>
void OneRow(const LeftOperand& left, const char* const* rows, int64_t, const Panel& panel,
            const int32_t* bias, const Output& output) {
  Row<kVectors>(std::make_integer_sequence<int, kApart * kVectors>(),
                std::make_integer_sequence<int, kVectors>(), left, rows[0], panel, bias, output);
}

using TilesFunction = void (*)(const LeftOperand&, const char* const*, int64_t, const Panel&,
                               const int32_t*, const Output&);
// By vectors of columns, then rows.
constexpr TilesFunction kTiles[4][kTileRows] = {
    {OneRow<1>, Tiles<1, 2>, Tiles<1, 3>, Tiles<1, 4>, Tiles<1, 5>, Tiles<1, 6>},
    {OneRow<2>, Tiles<2, 2>, Tiles<2, 3>, Tiles<2, 4>, Tiles<2, 5>, Tiles<2, 6>},
    {OneRow<3>, Tiles<3, 2>, Tiles<3, 3>, Tiles<3, 4>, Tiles<3, 5>, Tiles<3, 6>},
    {OneRow<4>, Tiles<4, 2>, Tiles<4, 3>, Tiles<4, 4>, Tiles<4, 5>, Tiles<4, 6>},
};

void Multiply(const LeftOperand& left, int64_t rows, const Panel& panel,
              const Requantization& requantization, int8_t* out, int64_t out_stride) {
  const TilesFunction* tiles = kTiles[panel.width / kLanes - 1];
  Output output(panel, requantization, out, out_stride);
  const int64_t whole = rows / kTileRows, rest = rows % kTileRows, first = whole * kTileRows;
  if (whole > 0) tiles[kTileRows - 1](left, left.rows, whole, panel, requantization.bias, output);
  if (rest == 0) return;
  output.out += first * out_stride;
  tiles[rest - 1](left, left.rows + first, 1, panel, requantization.bias, output);
}

}  // namespace

const GemmKernel kGemmAvx512Vnni = {sizeof(uint8_t), 128, Convert, Fill, Multiply};

}  // namespace kerasopt
