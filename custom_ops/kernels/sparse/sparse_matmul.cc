#include "kernels/sparse/sparse_matmul.h"

#include <algorithm>

#include "kernels/common/scratch.h"

namespace kerasopt {
namespace {

constexpr int64_t kTasksPerThread = 2;
constexpr int kElementBytes = 4;

// Calls multiply(tile, pixels, panel, first row) for the panels of blocks of pixels, which
// load(first row, pixels, tile) transposes.
template <typename Load, typename MultiplyPanel>
void ForTiles(const SparseShape& shape, int64_t rows, const ParallelFor& parallel_for,
              int64_t panel_columns, const Load& load, const MultiplyPanel& multiply) {
  const int64_t blocks = CeilDivide(rows, kSparsePixels);
  const int64_t panels = CeilDivide(shape.columns, panel_columns);
  const int threads = parallel_for.threads();
  const int64_t wanted = threads > 1 ? threads * kTasksPerThread : 1;
  // Each share of the panels transposes the pixels again.
  const int64_t shares = std::min(CeilDivide(wanted, blocks), panels);
  const int64_t share_panels = CeilDivide(panels, shares);
  // Loads write whole vectors of elements.
  const int64_t elements = CeilDivide(shape.elements(), kSparseElements) * kSparseElements;

  const auto body = [&](int64_t begin, int64_t end) {
    char* tile = Scratch(elements * kSparsePixels * kElementBytes);
    for (int64_t task = begin; task < end; ++task) {
      const int64_t first = task / shares * kSparsePixels;
      const int pixels = static_cast<int>(std::min(kSparsePixels, rows - first));
      load(first, pixels, tile);
      const int64_t panel = task % shares * share_panels;
      for (int64_t i = panel; i < std::min(panel + share_panels, panels); ++i) {
        multiply(tile, pixels, i * panel_columns, first);
      }
    }
  };
  const int64_t products = shape.entries * shape.block_columns * kSparsePixels;
  parallel_for.Run(blocks * shares, products / 16 / shares, body);
}

}  // namespace

void SparseQuantizedMatMul(const int8_t* x, int64_t rows, const SparseInt8Kernel& kernel,
                           const OutputRange& output, int8_t* out,
                           const ParallelFor& parallel_for) {
  const SparseShape& shape = kernel.shape();
  const SparseKernels& tiles = kernel.kernels().sparse;
  const Requantization requantization =
      RequantizationOf(kernel.bias(), kernel.multiplier(), output);
  constexpr int64_t kColumns = kSparseElements * 4;
  ForTiles(
      shape, rows, parallel_for, kColumns,
      [&](int64_t first, int pixels, char* tile) {
        tiles.load_int8(x + first * shape.depth, pixels, shape.depth, tile);
      },
      [&](const char* tile, int pixels, int64_t column, int64_t first) {
        const int columns = static_cast<int>(std::min(kColumns, shape.columns - column));
        tiles.multiply_int8[shape.block_columns > 1](
            tile, pixels, {kernel.entries(), column, columns}, requantization,
            out + first * shape.columns + column, shape.columns);
      });
}

void SparseMatMul(const KernelTable& kernels, const float* x, int64_t rows,
                  const SparseShape& shape, const SparseEntries& entries, const float* bias,
                  float* out, const ParallelFor& parallel_for) {
  const SparseKernels& tiles = kernels.sparse;
  constexpr int64_t kColumns = kSparseElements;
  ForTiles(
      shape, rows, parallel_for, kColumns,
      [&](int64_t first, int pixels, char* tile) {
        tiles.load_float(x + first * shape.depth, pixels, shape.depth, tile);
      },
      [&](const char* tile, int pixels, int64_t column, int64_t first) {
        const int columns = static_cast<int>(std::min(kColumns, shape.columns - column));
        tiles.multiply_float[shape.block_columns > 1](tile, pixels, {entries, column, columns},
                                                      bias, out + first * shape.columns + column,
                                                      shape.columns);
      });
}

}  // namespace kerasopt
