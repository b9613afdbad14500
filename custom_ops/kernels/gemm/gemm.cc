#include "kernels/gemm/gemm.h"

#include <algorithm>

#include "kernels/common/scratch.h"
#include "kernels/gemm/matrix_rows.h"

namespace kerasopt {
namespace {

// Converted rows of one block stay in the second-level cache while panels pass over them.
constexpr int64_t kBlockBytes = 128 * 1024;
// A multiple of every tile's rows, so that only the last block has partial tiles.
constexpr int64_t kRowMultiple = 12;
constexpr int64_t kMaxBlockRows = 8 * kRowMultiple;
// Tasks per thread that leave the scheduler room to balance.
constexpr int64_t kTasksPerThread = 2;
// Products that a core sums up in a cycle, roughly: of integers and of floats.
constexpr int64_t kProductsPerCycle = 64, kFloatProductsPerCycle = 16;
constexpr int64_t kCacheLine = 64;

// Panels are passed over forwards and backwards by turns, in a call or from one to the next: those
// that were read last are still in the cache.
thread_local bool is_backwards = false;

int64_t WantedTasks(int threads) { return threads > 1 ? threads * kTasksPerThread : 1; }

}  // namespace

Requantization RequantizationOf(const int32_t* bias, const float* multiplier,
                                const OutputRange& output) {
  return {bias, multiplier, static_cast<float>(output.min - output.zero_point),
          static_cast<float>(output.max - output.zero_point), output.zero_point};
}

int64_t NeededBlocks(int64_t panels, int threads) {
  return CeilDivide(WantedTasks(threads), panels);
}

int64_t BlockRows(int64_t rows, int64_t row_bytes, int64_t panels, int threads) {
  const int64_t fitting = std::clamp(kBlockBytes / row_bytes, kRowMultiple, kMaxBlockRows);
  const int64_t balanced = CeilDivide(rows, NeededBlocks(panels, threads));
  const int64_t block = std::min(fitting, std::max(balanced, kRowMultiple));
  return block >= rows ? rows : block / kRowMultiple * kRowMultiple;
}

PanelMultiply PanelMultiplyOf(const GemmKernel& gemm, const PackedShape& shape) {
  const bool is_small = shape.expanded_quads() * kQuad <= kMostInt4Rows;
  const GemmFunctions* direct = nullptr;
  switch (shape.format) {
    case WeightFormat::kInt8: direct = &gemm.int8; break;
    case WeightFormat::kInt4: direct = is_small ? gemm.int4 : nullptr; break;
    case WeightFormat::kTwoOfFour: direct = gemm.two_of_four; break;
    case WeightFormat::kBinary:  // has no products
    case WeightFormat::kFloat16:
    case WeightFormat::kBfloat16: break;  // have no integers
  }
  return direct == nullptr ? PanelMultiply{gemm.int8, true} : PanelMultiply{*direct, false};
}

void ForPanels(const RowBlocks& left, const PackedShape& shape, const int8_t* packed,
               bool is_expanded, const ParallelFor& parallel_for, PanelBody multiply) {
  const int64_t panels = shape.groups * shape.panels();
  // With few blocks, panels are shared out: a thread that has all rows reads its panels once. Every
  // share of panels converts the rows again.
  const int64_t wanted = WantedTasks(parallel_for.threads());
  const int64_t shares = std::min(CeilDivide(wanted, left.blocks()), panels);
  const int64_t share_panels = CeilDivide(panels, shares);
  const int64_t quads = is_expanded ? shape.expanded_quads() : shape.quads();
  const int64_t expanded_bytes = is_expanded ? quads * kQuad * kPanelColumns : 0;
  const int64_t offsets_bytes = shape.runs * sizeof(int64_t);
  const int64_t rows_bytes = left.largest_block() * sizeof(const char*);
  const int64_t head_bytes = CeilDivide(offsets_bytes + rows_bytes, kCacheLine) * kCacheLine;

  const auto body = [&](int64_t begin, int64_t end) {
    char* scratch = Scratch(expanded_bytes + head_bytes + left.scratch_bytes());
    int8_t* expanded = reinterpret_cast<int8_t*>(scratch);
    int64_t* offsets = reinterpret_cast<int64_t*>(scratch + expanded_bytes);
    const char** rows = reinterpret_cast<const char**>(scratch + expanded_bytes + offsets_bytes);
    char* converted = scratch + expanded_bytes + head_bytes;
    left.SetRunOffsets(offsets);
    const LeftOperand operand = {rows, offsets, shape.runs, quads / shape.runs};
    for (int64_t task = begin; task < end; ++task) {
      const int64_t block = task / shares, first = task % shares * share_panels;
      const int64_t last = std::min(first + share_panels, panels);
      if (first >= last) continue;
      const int64_t count = left.Load(block, converted, rows);
      const LoadedRows loaded = {converted, count, left.first_row(block)};
      int64_t loaded_group = 0;
      is_backwards = !is_backwards;
      const auto nth = [&](int64_t n) { return is_backwards ? first + last - 1 - n : n; };
      for (int64_t n = first; n < last; ++n) {
        const int64_t i = nth(n), next = nth(std::min(n + 1, last - 1));
        const int64_t group = i / shape.panels(), index = i % shape.panels();
        for (int64_t r = 0; group != loaded_group && r < count; ++r) {
          rows[r] += (group - loaded_group) * left.group_bytes();
        }
        loaded_group = group;
        Panel panel = PanelOf(packed, shape, group, index);
        panel.next_bytes =
            PanelOf(packed, shape, next / shape.panels(), next % shape.panels()).weights -
            panel.weights;
        if (is_expanded) panel = ExpandedPanelOf(packed, shape, group, index, expanded);
        multiply(operand, loaded, {panel, group, index});
      }
    }
  };
  const int64_t products = left.largest_block() * shape.quads() * QuadRows(shape.format) *
                           std::min(share_panels * kPanelColumns, shape.groups * shape.width());
  const int64_t cost =
      products / (IsHalf(shape.format) ? kFloatProductsPerCycle : kProductsPerCycle);
  parallel_for.Run(left.blocks() * shares, cost, body);
}

void Gemm(const RowBlocks& left, const PackedKernel& kernel, const OutputRange& output, int8_t* out,
          const ParallelFor& parallel_for) {
  const PackedShape& shape = kernel.shape();
  const int64_t columns = shape.groups * shape.columns;
  const PanelMultiply multiply = PanelMultiplyOf(kernel.gemm(), shape);
  const auto body = [&](const LeftOperand& operand, const LoadedRows& rows, const ReadyPanel& at) {
    multiply.functions.to_int8(
        operand, rows.count, at.panel,
        RequantizationOf(kernel.bias(at.group, at.index), kernel.multiplier(at.group, at.index),
                         output),
        out + rows.first * columns + at.group * shape.columns + at.index * kPanelColumns, columns);
  };
  ForPanels(left, shape, kernel.packed(), multiply.is_expanded, parallel_for, body);
}

void QuantizedMatMul(const int8_t* x, int64_t rows, const PackedKernel& kernel,
                     const OutputRange& output, int8_t* out, const ParallelFor& parallel_for) {
  Gemm(MatrixRows(x, rows, CopyOf(kernel.gemm()), kernel.shape(), parallel_for.threads()), kernel,
       output, out, parallel_for);
}

}  // namespace kerasopt
