// Tiles of a matrix multiplication for AVX-512: 6 rows x 64 columns.
//
// `Weights` says what a stored quad holds:
//   kQuads           quads of a left operand that it is multiplied with
//   kBytes           bytes of a block of 16 columns
//   Quad<I>(stored)  the weights of quad I of a block
//   Dot(sums, activations, weights)  sums, plus the products of a quad
//   Begin(first), End(sums, first)   what sums begin with, and their totals

#ifndef KERASOPT_KERNELS_GEMM_TILES_AVX512_H_
#define KERASOPT_KERNELS_GEMM_TILES_AVX512_H_

#include <utility>

#include "kernels/gemm/outputs_avx512.h"

namespace kerasopt {
namespace {

constexpr int kTileRows = 6;
// Stored quads that a tile of one row sums apart, so that its few sums do not wait for each other.
constexpr int kApart = 4;
// A single row is bound by memory: how many bytes ahead its weights are prefetched.
constexpr int kAhead = 2048;

// A quad of int8 weights, or of bits.
struct PlainWeights {
  static constexpr int kQuads = 1, kBytes = 64;

  template <int kIndex>
  static __m512i Quad(const int8_t* stored) {
    return _mm512_loadu_si512(stored);
  }
};

// Four activations in every lane.
inline __m512i Broadcast(const char* a) {
  int32_t quad;
  __builtin_memcpy(&quad, a, sizeof(quad));
  return _mm512_set1_epi32(quad);
}

// Weights in a register: g++ 12 would read them from memory again for every row of some tiles.
template <typename Weights, int kIndex>
inline __m512i Loaded(const int8_t* stored) {
  __m512i vector = Weights::template Quad<kIndex>(stored);
  asm("" : "+v"(vector));
  return vector;
}

// Ints I = row * kVectors + vector. What is `ahead` of the weights is prefetched meanwhile.
template <typename Weights, int kVectors, typename Output, int... I, int... R, int... V, int... Q>
inline void Tile(std::integer_sequence<int, I...>, std::integer_sequence<int, R...>,
                 std::integer_sequence<int, V...>, std::integer_sequence<int, Q...>,
                 const LeftOperand& left, const char* const* rows, const Panel& panel,
                 int64_t ahead, const Output& output) {
  const int32_t* first = output.first_sums();
  Ints sums[] = {Weights::Begin(first + I % kVectors * kLanes)...};
  const int8_t* b = panel.weights;
  const auto add = [&](auto index, const char* const* a, int64_t k) __attribute__((always_inline)) {
    constexpr int kIndex = decltype(index)::value;
    const __m512i weights[] = {Loaded<Weights, kIndex>(b + V * Weights::kBytes)...};
    const int64_t at = (k * Weights::kQuads + kIndex) * 4;
    ((sums[I] = Weights::Dot(sums[I], Broadcast(a[I / kVectors] + at), weights[I % kVectors])),
     ...);
  };
  for (int64_t run = 0; run < left.runs; ++run) {
    const char* a[] = {rows[R] + left.run_offsets[run]...};
    for (int64_t k = 0; k < left.quads; ++k, b += panel.quad_bytes) {
      _mm_prefetch(reinterpret_cast<const char*>(b + ahead), _MM_HINT_T1);
      (add(std::integral_constant<int, Q>(), a, k), ...);
    }
  }
  ((sums[I] = Weights::End(sums[I], first + I % kVectors * kLanes)), ...);
  (output.template Store<kVectors, R, sizeof...(R)>(sums), ...);
}

// `tiles` tiles of kRows rows. Each prefetches a vector of every quad of the next panel, so that it
// is in the second-level cache when its own first tile comes.
template <typename Weights, typename Output, int kVectors, int kRows>
void Tiles(const LeftOperand& left, const char* const* rows, int64_t tiles, const Panel& panel,
           const Output& output) {
  Output local = output;
  for (int64_t i = 0; i < tiles; ++i, rows += kRows, local.Skip(kRows)) {
    Tile<Weights, kVectors>(std::make_integer_sequence<int, kRows * kVectors>(),
                            std::make_integer_sequence<int, kRows>(),
                            std::make_integer_sequence<int, kVectors>(),
                            std::make_integer_sequence<int, Weights::kQuads>(), left, rows, panel,
                            panel.next_bytes + i % kVectors * Weights::kBytes, local);
  }
}

// Ints I = quad * kVectors + vector.
template <typename Weights, int kVectors, typename Output, int... I, int... V, int... Q>
inline void Row(std::integer_sequence<int, I...>, std::integer_sequence<int, V...>,
                std::integer_sequence<int, Q...>, const LeftOperand& left, const char* row,
                const Panel& panel, const Output& output) {
  constexpr int kQuads = Weights::kQuads, kBytes = Weights::kBytes;
  Ints sums[] = {(static_cast<void>(I), Ints{})...};
  const int8_t* b = panel.weights;
  // Products of the vector at b + i * kBytes, whose quad is that many after k.
  const auto add = [&](auto index, const char* a, int i, Ints& sum) __attribute__((always_inline)) {
    constexpr int kIndex = decltype(index)::value;
    const __m512i weights = Weights::template Quad<kIndex>(b + i * kBytes);
    sum = Weights::Dot(sum, Broadcast(a + (i / kVectors * kQuads + kIndex) * 4), weights);
  };
  const auto add_quads = [&](const char* a, int i, Ints& sum) __attribute__((always_inline)) {
    (add(std::integral_constant<int, Q>(), a, i, sum), ...);
  };
  for (int64_t run = 0; run < left.runs; ++run) {
    const char* a = row + left.run_offsets[run];
    int64_t k = 0;
    for (; k + kApart <= left.quads; k += kApart, a += kApart * kQuads * 4) {
      (_mm_prefetch(reinterpret_cast<const char*>(b + I * kBytes + kAhead), _MM_HINT_T0), ...);
      (add_quads(a, I, sums[I]), ...);
      b += kApart * kVectors * kBytes;
    }
    for (; k < left.quads; ++k, a += kQuads * 4, b += kVectors * kBytes) {
      (add_quads(a, V, sums[V]), ...);
    }
  }
  static_assert(kApart == 4, "four sums are added up");
  const int32_t* first = output.first_sums();
  const Ints totals[] = {Weights::End(Weights::Begin(first + V * kLanes) + sums[V] +
                                          sums[kVectors + V] + sums[2 * kVectors + V] +
                                          sums[3 * kVectors + V],
                                      first + V * kLanes)...};
  output.template Store<kVectors, 0, 1>(totals);
}

template <typename Weights, typename Output, int kVectors>
void OneRow(const LeftOperand& left, const char* const* rows, int64_t, const Panel& panel,
            const Output& output) {
  Row<Weights, kVectors>(std::make_integer_sequence<int, kApart * kVectors>(),
                         std::make_integer_sequence<int, kVectors>(),
                         std::make_integer_sequence<int, Weights::kQuads>(), left, rows[0], panel,
                         output);
}

// A tile of five rows would have its weights on the stack, from g++ 12.
template <typename Weights, typename Output, int kVectors>
void FiveRows(const LeftOperand& left, const char* const* rows, int64_t, const Panel& panel,
              const Output& output) {
  Tiles<Weights, Output, kVectors, 3>(left, rows, 1, panel, output);
  Output rest = output;
  rest.Skip(3);
  Tiles<Weights, Output, kVectors, 2>(left, rows + 3, 1, panel, rest);
}

// By rows of a tile.
template <typename Output>
using TilesFunction = void (*)(const LeftOperand&, const char* const*, int64_t, const Panel&,
                               const Output&);
template <typename Weights, typename Output, int kVectors>
constexpr TilesFunction<Output> kTiles[kTileRows] = {
    OneRow<Weights, Output, kVectors>,   Tiles<Weights, Output, kVectors, 2>,
    Tiles<Weights, Output, kVectors, 3>, Tiles<Weights, Output, kVectors, 4>,
    FiveRows<Weights, Output, kVectors>, Tiles<Weights, Output, kVectors, 6>,
};

template <typename Weights, typename Output>
void MultiplyTo(const LeftOperand& left, int64_t rows, const Panel& panel, Output output) {
  constexpr const TilesFunction<Output>* kByVectors[] = {
      kTiles<Weights, Output, 1>, kTiles<Weights, Output, 2>, kTiles<Weights, Output, 3>,
      kTiles<Weights, Output, 4>};
  const TilesFunction<Output>* tiles = kByVectors[panel.width / kLanes - 1];
  const char* const* next = left.rows;
  const auto multiply = [&](int64_t tile_rows, int64_t count) {
    if (count * tile_rows == 0) return;
    tiles[tile_rows - 1](left, next, count, panel, output);
    next += count * tile_rows;
    output.Skip(count * tile_rows);
  };
  const int64_t whole = rows / kTileRows, rest = rows % kTileRows;
  // A last tile of one or two rows reads too many weights for what it computes.
  if (whole > 0 && (rest == 1 || rest == 2)) {
    multiply(kTileRows, whole - 1);
    multiply(4, 1);
    return multiply(rest + 2, 1);
  }
  multiply(kTileRows, whole);
  multiply(rest, 1);
}

}  // namespace
}  // namespace kerasopt

#include "kernels/gemm/functions.inc"

#endif  // KERASOPT_KERNELS_GEMM_TILES_AVX512_H_
