// GEMM micro-kernel for AVX-512 VNNI: 6 rows x 64 columns (12 x 32 for narrow panels), groups of
// four 8-bit products (vpdpbusd). Its left operand is unsigned: activations are stored plus 128.

#include <immintrin.h>

#include <utility>

#include "kernels/kernel_table.h"

namespace kerasopt {
namespace {

constexpr int kLanes = 16;
constexpr int kPanelVectors = 4;

void Convert(const int8_t* x, int64_t count, void* out) {
  uint8_t* converted = static_cast<uint8_t*>(out);
  for (int64_t i = 0; i < count; ++i) converted[i] = static_cast<uint8_t>(x[i]) ^ 0x80;
}

void Fill(int8_t x, int64_t count, void* out) {
  __builtin_memset(out, static_cast<uint8_t>(x) ^ 0x80, count);
}

// The intrinsics convert __m512i to vectors of int32 and back, and g++ 12 keeps an array of
// accumulators that is accessed as two types in memory, with a store in every step.
typedef int32_t Accumulators __attribute__((vector_size(64)));

inline void Store(Accumulators sums, const Requantization& requantization, int first, int columns,
                  int8_t* out) {
  const __m512i bias = _mm512_loadu_si512(requantization.bias + first);
  __m512 q = _mm512_mul_ps(_mm512_cvtepi32_ps(_mm512_add_epi32((__m512i)sums, bias)),
                           _mm512_loadu_ps(requantization.multiplier + first));
  q = _mm512_roundscale_ps(q, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  q = _mm512_max_ps(q, _mm512_set1_ps(requantization.min));
  q = _mm512_min_ps(q, _mm512_set1_ps(requantization.max));
  const __m512i integers =
      _mm512_add_epi32(_mm512_cvtps_epi32(q), _mm512_set1_epi32(requantization.zero_point));
  const __mmask16 mask = columns >= kLanes ? 0xffff : (1u << columns) - 1;
  _mm512_mask_cvtepi32_storeu_epi8(out + first, mask, integers);
}

// Four activations in every lane.
inline __m512i Broadcast(const char* a) {
  int32_t group;
  __builtin_memcpy(&group, a, sizeof(group));
  return _mm512_set1_epi32(group);
}

// Accumulators I = row * kVectors + vector.
template <int kVectors, int... I>
void Accumulate(std::integer_sequence<int, I...>, int columns, int64_t depth_groups,
                const char* a, int64_t row_bytes, const __m512i* b,
                const Requantization& requantization, int8_t* out, int64_t out_stride) {
  Accumulators sums[] = {(static_cast<void>(I), Accumulators{})...};
  for (int64_t k = 0; k < depth_groups; ++k, a += sizeof(int32_t), b += kPanelVectors) {
    ((sums[I] = (Accumulators)_mm512_dpbusd_epi32((__m512i)sums[I],
                                                  Broadcast(a + I / kVectors * row_bytes),
                                                  _mm512_load_si512(b + I % kVectors))),
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
                       activations, row_bytes, static_cast<const __m512i*>(panel), requantization,
                       out, out_stride);
}

using TileFunction = void (*)(int, int64_t, const char*, int64_t, const void*,
                              const Requantization&, int8_t*, int64_t);

// Tiles of 1 to `rows` rows; the last entry has `rows`, which leaves registers for the operands.
struct Tiles {
  int rows;
  TileFunction functions[12];
};

constexpr Tiles kTiles[kPanelVectors] = {
    {12,
     {Tile<1, 1>, Tile<2, 1>, Tile<3, 1>, Tile<4, 1>, Tile<5, 1>, Tile<6, 1>, Tile<7, 1>,
      Tile<8, 1>, Tile<9, 1>, Tile<10, 1>, Tile<11, 1>, Tile<12, 1>}},
    {12,
     {Tile<1, 2>, Tile<2, 2>, Tile<3, 2>, Tile<4, 2>, Tile<5, 2>, Tile<6, 2>, Tile<7, 2>,
      Tile<8, 2>, Tile<9, 2>, Tile<10, 2>, Tile<11, 2>, Tile<12, 2>}},
    {6, {Tile<1, 3>, Tile<2, 3>, Tile<3, 3>, Tile<4, 3>, Tile<5, 3>, Tile<6, 3>}},
    {6, {Tile<1, 4>, Tile<2, 4>, Tile<3, 4>, Tile<4, 4>, Tile<5, 4>, Tile<6, 4>}},
};

void Multiply(int64_t rows, int columns, int64_t depth_groups, const void* activations,
              int64_t row_bytes, const void* panel, const Requantization& requantization,
              int8_t* out, int64_t out_stride) {
  const Tiles& tiles = kTiles[(columns + kLanes - 1) / kLanes - 1];
  for (int64_t row = 0; row < rows; row += tiles.rows) {
    const int64_t left = rows - row;
    tiles.functions[(left < tiles.rows ? left : tiles.rows) - 1](
        columns, depth_groups, static_cast<const char*>(activations) + row * row_bytes, row_bytes,
        panel, requantization, out + row * out_stride, out_stride);
  }
}

}  // namespace

const GemmKernel kGemmAvx512Vnni = {kLanes * kPanelVectors, 4, sizeof(uint8_t), sizeof(int8_t),
                                    128, Convert, Fill, Multiply};

}  // namespace kerasopt
