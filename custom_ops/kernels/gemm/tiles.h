// Tiles of a matrix multiplication, for vectors of any instruction set: some rows times a group of
// columns, or one row times some groups, so that its few sums do not wait for each other.
//
// `Weights` says how an instruction set multiplies a format of weights:
//   Vector                      of int32 sums
//   kTileRows                   the most rows of a tile
//   kColumns, kVectors, kBytes  of a group: columns, vectors of sums, bytes of a stored quad
//   kQuads                      quads of a left operand that a stored one is multiplied with
//   Activations(row, i)         quad i of a row, in all lanes
//   Quad<I, V>(stored)          quad I of a stored group, for its vector V of sums
//   Dot(sums, activations, weights)   sums, plus the products
//   Store(output, sums, row, first)   gives an output the sums of a group, from column `first` on
//   Int8Output, FloatOutput, SumsOutput   outputs, made of what ToInt8, ToFloat and ToSums have

#ifndef KERASOPT_KERNELS_GEMM_TILES_H_
#define KERASOPT_KERNELS_GEMM_TILES_H_

#include <utility>

#include "kernels/gemm/table.h"

namespace kerasopt {
namespace {

constexpr int kMostGroups = 4;  // of a tile of one row

template <int... kValues>
using Numbers = std::integer_sequence<int, kValues...>;

// Sums I = row * vectors + vector, groups of sums G = row * kGroups + group.
template <typename Weights, int kGroups, typename Output, int... I, int... G, int... R, int... V,
          int... Q>
inline void Tile(Numbers<I...>, Numbers<G...>, Numbers<R...>, Numbers<V...>, Numbers<Q...>,
                 const LeftOperand& left, int64_t row, const Panel& panel, int first,
                 const Output& output) {
  constexpr int kVectors = Weights::kVectors;
  typename Weights::Vector sums[] = {(static_cast<void>(I), typename Weights::Vector{})...};
  const int8_t* b = panel.weights + first / Weights::kColumns * Weights::kBytes;
  const auto add = [&](auto index, const char* const* a, int64_t k)
                       __attribute__((always_inline)) {
    constexpr int kIndex = decltype(index)::value;
    const auto at = [&](int group) { return b + group * Weights::kBytes; };
    const decltype(Weights::template Quad<0, 0>(b)) weights[] = {
        Weights::template Quad<kIndex, V % kVectors>(at(V / kVectors))...};
    ((sums[I] = Weights::Dot(
          sums[I], Weights::Activations(a[I / sizeof...(V)], k * Weights::kQuads + kIndex),
          weights[I % sizeof...(V)])),
     ...);
  };
  for (int64_t run = 0; run < left.runs; ++run) {
    const char* a[] = {left.rows[row + R] + left.run_offsets[run]...};
    for (int64_t k = 0; k < left.quads; ++k, b += panel.quad_bytes) {
      (add(std::integral_constant<int, Q>(), a, k), ...);
    }
  }
  (Weights::Store(output, sums + G * kVectors, row + G / kGroups,
                  first + G % kGroups * Weights::kColumns),
   ...);
}

template <typename Output>
using TileFunction = void (*)(const LeftOperand& left, int64_t row, const Panel& panel, int first,
                              const Output& output);

template <typename Weights, typename Output, int kRows, int kGroups>
void TileOf(const LeftOperand& left, int64_t row, const Panel& panel, int first,
            const Output& output) {
  constexpr int kVectors = kGroups * Weights::kVectors;
  Tile<Weights, kGroups>(
      std::make_integer_sequence<int, kRows * kVectors>(),
      std::make_integer_sequence<int, kRows * kGroups>(), std::make_integer_sequence<int, kRows>(),
      std::make_integer_sequence<int, kVectors>(),
      std::make_integer_sequence<int, Weights::kQuads>(), left, row, panel, first, output);
}

template <typename Weights, typename Output, int... I>
TileFunction<Output> TileOfRows(int64_t rows, Numbers<I...>) {
  constexpr TileFunction<Output> kTiles[] = {TileOf<Weights, Output, I + 1, 1>...};
  return kTiles[rows - 1];
}

template <typename Weights, typename Output, int... I>
TileFunction<Output> TileOfGroups(int groups, Numbers<I...>) {
  constexpr TileFunction<Output> kTiles[] = {TileOf<Weights, Output, 1, I + 1>...};
  return kTiles[groups - 1];
}

template <typename Weights, typename Output>
void MultiplyTo(const LeftOperand& left, int64_t rows, const Panel& panel, const Output& output) {
  constexpr int kColumns = Weights::kColumns, kTileRows = Weights::kTileRows;
  if (rows == 1) {
    const int groups = (panel.columns + kColumns - 1) / kColumns;
    for (int i = 0; i < groups; i += kMostGroups) {
      const int count = groups - i < kMostGroups ? groups - i : kMostGroups;
      const auto tile = TileOfGroups<Weights, Output>(
          count, std::make_integer_sequence<int, kMostGroups>());
      tile(left, 0, panel, i * kColumns, output);
    }
    return;
  }
  for (int first = 0; first < panel.columns; first += kColumns) {
    for (int64_t row = 0; row < rows; row += kTileRows) {
      const int64_t count = rows - row < kTileRows ? rows - row : kTileRows;
      const auto tile = TileOfRows<Weights, Output>(
          count, std::make_integer_sequence<int, kTileRows>());
      tile(left, row, panel, first, output);
    }
  }
}

template <typename Weights>
void ToInt8(const LeftOperand& left, int64_t rows, const Panel& panel,
            const Requantization& requantization, int8_t* out, int64_t out_stride) {
  MultiplyTo<Weights>(left, rows, panel,
                      typename Weights::Int8Output(panel, requantization, out, out_stride));
}

template <typename Weights>
void ToFloat(const LeftOperand& left, int64_t rows, const Panel& panel, const int32_t* first,
             const FloatScaling& scaling, float* out, int64_t out_stride) {
  MultiplyTo<Weights>(left, rows, panel,
                      typename Weights::FloatOutput(panel, first, scaling, out, out_stride));
}

template <typename Weights>
void ToSums(const LeftOperand& left, int64_t rows, const Panel& panel, int32_t* out,
            int64_t out_stride) {
  MultiplyTo<Weights>(left, rows, panel, typename Weights::SumsOutput(out, out_stride));
}

template <typename Weights>
constexpr GemmFunctions FunctionsOf = {ToInt8<Weights>, ToFloat<Weights>, ToSums<Weights>};

}  // namespace
}  // namespace kerasopt

#endif  // KERASOPT_KERNELS_GEMM_TILES_H_
