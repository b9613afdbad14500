#include "kernels/gemm.h"

#include <algorithm>

namespace kerasopt {
namespace {

// Converted rows of one block stay in the second-level cache while panels pass over them.
constexpr int64_t kBlockBytes = 128 * 1024;
// A multiple of every tile's rows, so that only the last block has partial tiles.
constexpr int64_t kRowMultiple = 12;
constexpr int64_t kMaxBlockRows = 8 * kRowMultiple;
// Tasks per thread that leave the scheduler room to balance.
constexpr int64_t kTasksPerThread = 4;

int64_t CeilDivide(int64_t a, int64_t b) { return (a + b - 1) / b; }

int64_t BlockRows(int64_t rows, int64_t row_bytes, int threads) {
  const int64_t fitting = std::clamp(kBlockBytes / row_bytes, kRowMultiple, kMaxBlockRows);
  const int64_t balanced = CeilDivide(rows, threads * (threads > 1 ? kTasksPerThread : 1));
  return std::min(fitting, std::max(balanced, kRowMultiple)) / kRowMultiple * kRowMultiple;
}

}  // namespace

Requantization RequantizationOf(const OutputQuantization& quantization, const int32_t* bias,
                                const float* multiplier) {
  return {bias, multiplier,
          static_cast<float>(quantization.output_min - quantization.output_zero_point),
          static_cast<float>(quantization.output_max - quantization.output_zero_point),
          quantization.output_zero_point};
}

void Gemm(int64_t rows, const RowSource& source, const PackedWeights& weights,
          const OutputQuantization& quantization, int8_t* out, const ParallelFor& parallel_for) {
  const GemmKernel& gemm = weights.gemm();
  const int64_t columns = weights.columns();
  const std::vector<int32_t> bias =
      weights.FoldBias(quantization.bias, quantization.input_zero_point);
  std::vector<float> multiplier(bias.size(), 1.0f);
  std::copy_n(quantization.multiplier, columns, multiplier.begin());

  const int64_t row_bytes = weights.depth_groups() * gemm.depth_group * gemm.activation_bytes;
  const int64_t block_rows = BlockRows(rows, row_bytes, parallel_for.threads);
  const int64_t row_blocks = CeilDivide(rows, block_rows);
  // With few rows, panels are shared out too; every group of panels converts the rows again.
  const int64_t wanted = parallel_for.threads > 1 ? parallel_for.threads * kTasksPerThread : 1;
  const int64_t groups = std::clamp<int64_t>(wanted / row_blocks, 1, weights.panels());
  const int64_t group_panels = CeilDivide(weights.panels(), groups);

  const auto body = [&](int64_t begin, int64_t end) {
    std::vector<char> activations(std::min(block_rows, rows) * row_bytes);
    for (int64_t task = begin; task < end; ++task) {
      const int64_t first_row = task / groups * block_rows;
      const int64_t last_row = std::min(first_row + block_rows, rows);
      const int64_t first_panel = task % groups * group_panels;
      const int64_t last_panel = std::min(first_panel + group_panels, weights.panels());
      if (first_panel >= last_panel) continue;
      source(first_row, last_row, row_bytes, activations.data());
      for (int64_t panel = first_panel; panel < last_panel; ++panel) {
        const int64_t first = panel * gemm.panel_columns;
        gemm.multiply(last_row - first_row,
                      static_cast<int>(std::min<int64_t>(gemm.panel_columns, columns - first)),
                      weights.depth_groups(), activations.data(), row_bytes, weights.panel(panel),
                      RequantizationOf(quantization, bias.data() + first, multiplier.data() + first),
                      out + first_row * columns + first, columns);
      }
    }
  };
  // About 64 multiplications a cycle.
  const int64_t cost = block_rows * row_bytes * group_panels * gemm.panel_columns / 64;
  parallel_for.run(row_blocks * groups, cost, body);
}

void QuantizedMatMul(const int8_t* x, int64_t rows, int64_t depth, const PackedWeights& weights,
                     const OutputQuantization& quantization, int8_t* out,
                     const ParallelFor& parallel_for) {
  const auto source = [&](int64_t begin, int64_t end, int64_t row_bytes, char* converted) {
    for (int64_t row = begin; row < end; ++row, converted += row_bytes) {
      weights.gemm().convert(x + row * depth, depth, converted);
    }
  };
  Gemm(rows, source, weights, quantization, out, parallel_for);
}

}  // namespace kerasopt
