// GEMM micro-kernel for AVX-512 VNNI: 6 rows x 64 columns, groups of four 8-bit products
// (vpdpbusd). Its left operand is unsigned: activations are stored plus 128.

#include <immintrin.h>

#include <utility>

#include "kernels/outputs_avx512.h"

namespace kerasopt {
namespace {

constexpr int kTileRows = 6;
// Quads that a tile of one row sums apart, so that its few sums do not wait for each other.
constexpr int kApart = 4;
// A single row waits for memory: bytes of weights that are asked for ahead of their use.
constexpr int kAhead = 2048;

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

// Four activations in every lane.
inline __m512i Broadcast(const char* a) {
  int32_t quad;
  __builtin_memcpy(&quad, a, sizeof(quad));
  return _mm512_set1_epi32(quad);
}

// Weights in a register: g++ 12 would read them from memory again for every row of some tiles.
inline __m512i Loaded(const int8_t* weights) {
  __m512i vector = _mm512_loadu_si512(weights);
  asm("" : "+v"(vector));
  return vector;
}

inline Accumulators Dot(Accumulators sums, __m512i activations, __m512i weights) {
  return (Accumulators)_mm512_dpbusd_epi32((__m512i)sums, activations, weights);
}

// Accumulators I = row * kVectors + vector.
template <int kVectors, typename Output, int... I, int... R, int... V>
inline void Tile(std::integer_sequence<int, I...>, std::integer_sequence<int, R...>,
                 std::integer_sequence<int, V...>, const LeftOperand& left, const char* const* rows, const Panel& panel,
                 const Output& output) {
  Accumulators sums[] = {
      (Accumulators)_mm512_loadu_si512(output.first_sums() + I % kVectors * kLanes)...};
  const int8_t* b = panel.weights;
  for (int64_t run = 0; run < left.runs; ++run) {
    const char* a[] = {rows[R] + left.run_offsets[run]...};
    for (int64_t k = 0; k < left.quads; ++k, b += panel.quad_bytes) {
      const __m512i weights[] = {Loaded(b + V * 64)...};
      ((sums[I] = Dot(sums[I], Broadcast(a[I / kVectors] + k * 4), weights[I % kVectors])), ...);
    }
  }
  (output.template Store<kVectors, R, sizeof...(R)>(sums), ...);
}

// `tiles` tiles of kRows rows.
template <typename Output, int kVectors, int kRows>
void Tiles(const LeftOperand& left, const char* const* rows, int64_t tiles, const Panel& panel,
           const Output& output) {
  Output local = output;
  for (int64_t i = 0; i < tiles; ++i, rows += kRows, local.Skip(kRows)) {
    Tile<kVectors>(std::make_integer_sequence<int, kRows * kVectors>(),
                   std::make_integer_sequence<int, kRows>(),
                   std::make_integer_sequence<int, kVectors>(), left, rows, panel, local);
  }
}

// Accumulators I = quad * kVectors + vector.
template <int kVectors, typename Output, int... I, int... V>
inline void Row(std::integer_sequence<int, I...>, std::integer_sequence<int, V...>,
                const LeftOperand& left, const char* row, const Panel& panel,
                const Output& output) {
  Accumulators sums[] = {(static_cast<void>(I), Accumulators{})...};
  const int8_t* b = panel.weights;
  for (int64_t run = 0; run < left.runs; ++run) {
    const char* a = row + left.run_offsets[run];
    int64_t k = 0;
    for (; k + kApart <= left.quads; k += kApart, b += kApart * kVectors * 64) {
      (_mm_prefetch(reinterpret_cast<const char*>(b + I * 64 + kAhead), _MM_HINT_T0), ...);
      ((sums[I] = Dot(sums[I], Broadcast(a + (k + I / kVectors) * 4),
                      _mm512_loadu_si512(b + I * 64))),
       ...);
    }
    for (; k < left.quads; ++k, b += kVectors * 64) {
      ((sums[V] = Dot(sums[V], Broadcast(a + k * 4), _mm512_loadu_si512(b + V * 64))), ...);
    }
  }
  static_assert(kApart == 4, "four sums are added up");
  const Accumulators totals[] = {
      (Accumulators)_mm512_loadu_si512(output.first_sums() + V * kLanes) + sums[V] +
      sums[kVectors + V] + sums[2 * kVectors + V] + sums[3 * kVectors + V]...};
  output.template Store<kVectors, 0, 1>(totals);
}

template <typename Output, int kVectors>
void OneRow(const LeftOperand& left, const char* const* rows, int64_t, const Panel& panel,
            const Output& output) {
  Row<kVectors>(std::make_integer_sequence<int, kApart * kVectors>(),
                std::make_integer_sequence<int, kVectors>(), left, rows[0], panel, output);
}

// A tile of five rows would have its weights on the stack, from g++ 12.
template <typename Output, int kVectors>
void FiveRows(const LeftOperand& left, const char* const* rows, int64_t, const Panel& panel,
              const Output& output) {
  Tiles<Output, kVectors, 3>(left, rows, 1, panel, output);
  Output rest = output;
  rest.Skip(3);
  Tiles<Output, kVectors, 2>(left, rows + 3, 1, panel, rest);
}

// By rows of a tile.
template <typename Output>
using TilesFunction = void (*)(const LeftOperand&, const char* const*, int64_t, const Panel&,
                               const Output&);
template <typename Output, int kVectors>
constexpr TilesFunction<Output> kTiles[kTileRows] = {
    OneRow<Output, kVectors>,   Tiles<Output, kVectors, 2>, Tiles<Output, kVectors, 3>,
    Tiles<Output, kVectors, 4>, FiveRows<Output, kVectors>, Tiles<Output, kVectors, 6>,
};

template <typename Output>
void MultiplyTo(const LeftOperand& left, int64_t rows, const Panel& panel, Output output) {
  constexpr const TilesFunction<Output>* kByVectors[] = {kTiles<Output, 1>, kTiles<Output, 2>,
                                                         kTiles<Output, 3>, kTiles<Output, 4>};
  const TilesFunction<Output>* tiles = kByVectors[panel.width / kLanes - 1];
  const int64_t whole = rows / kTileRows, rest = rows % kTileRows, first = whole * kTileRows;
  if (whole > 0) tiles[kTileRows - 1](left, left.rows, whole, panel, output);
  if (rest == 0) return;
  output.Skip(first);
  tiles[rest - 1](left, left.rows + first, 1, panel, output);
}

void Multiply(const LeftOperand& left, int64_t rows, const Panel& panel,
              const Requantization& requantization, int8_t* out, int64_t out_stride) {
  MultiplyTo(left, rows, panel, Int8Output(panel, requantization, out, out_stride));
}

void MultiplyToFloat(const LeftOperand& left, int64_t rows, const Panel& panel,
                     const int32_t* first, const FloatScaling& scaling, float* out,
                     int64_t out_stride) {
  MultiplyTo(left, rows, panel, FloatOutput(panel, first, scaling, out, out_stride));
}

}  // namespace

const GemmKernel kGemmAvx512Vnni = {sizeof(uint8_t), 128, Convert, Fill, Multiply,
                                    MultiplyToFloat};

}  // namespace kerasopt
