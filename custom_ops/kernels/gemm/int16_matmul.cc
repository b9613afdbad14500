#include "kernels/gemm/int16_matmul.h"

#include <algorithm>
#include <limits>

#include "kernels/gemm/matrix_rows.h"

namespace kerasopt {
namespace {

// Rows of halves whose sums stay in the first-level cache.
constexpr int64_t kSumRows = 12;

// The halves of rows, one after the other.
class HalfRows : public RowBlocks {
 public:
  HalfRows(const RowBlocks& high, const RowBlocks& low) : high_(high), low_(low) {}

  int64_t blocks() const override { return high_.blocks(); }
  int64_t largest_block() const override { return 2 * high_.largest_block(); }
  int64_t scratch_bytes() const override { return 2 * high_.scratch_bytes(); }

  int64_t Load(int64_t block, char* scratch, const char** rows) const override {
    const int64_t distance = high_.scratch_bytes();
    low_.Load(block, scratch + distance, rows);
    const int64_t count = high_.Load(block, scratch, rows);
    for (int64_t i = count - 1; i >= 0; --i) {
      rows[2 * i + 1] = rows[i] + distance;
      rows[2 * i] = rows[i];
    }
    return 2 * count;
  }

  int64_t first_row(int64_t block) const override { return high_.first_row(block); }
  void SetRunOffsets(int64_t* offsets) const override { high_.SetRunOffsets(offsets); }
  int64_t group_bytes() const override { return high_.group_bytes(); }

 private:
  const RowBlocks &high_, &low_;
};

}  // namespace

int Int16Shift(int64_t products) {
  const int64_t largest = (products << 22) + (int64_t{1} << 31);
  int shift = 1;
  while (largest >> shift >= std::numeric_limits<int32_t>::max()) ++shift;
  return shift;
}

Int16Channels::Int16Channels(int64_t channels, int64_t products)
    : shift_(Int16Shift(products)),
      high_(channels, 0),
      low_(channels, 1 << (shift_ - 1)),
      multiplier_(channels, 1.0f) {}

void Int16Channels::Set(int64_t channel, int32_t bias, float multiplier) {
  Add(channel, bias >> 8, bias & 255);
  // With the largest multiplier, too, even the smallest sum is beyond the output's range.
  const float largest = std::numeric_limits<float>::max() / static_cast<float>(1 << shift_);
  multiplier_[channel] = std::min(multiplier, largest) * static_cast<float>(1 << shift_);
}

void Int16Channels::Add(int64_t channel, int32_t high, int32_t low) {
  high_[channel] += high;
  low_[channel] += low;
}

Int16Requantization Int16Channels::requantization(int64_t first, const OutputRange& output) const {
  return {high_.data() + first,           low_.data() + first,
          multiplier_.data() + first,     shift_,
          static_cast<float>(output.min), static_cast<float>(output.max)};
}

Int16Kernel::Int16Kernel(const KernelTable& kernels, const PackedShape& shape, const int8_t* packed,
                         const int32_t* bias, const float* multiplier)
    : PackedWeights(kernels, shape, packed),
      channels_(shape.groups * shape.width(), shape.runs * shape.depth) {
  const std::vector<ColumnSums> sums = SumColumns(packed, shape);
  const int32_t offset = kernels.gemm.activation_offset;
  for (int64_t group = 0; group < shape.groups; ++group) {
    for (int64_t j = 0; j < shape.columns; ++j) {
      const int64_t i = group * shape.columns + j, padded = group * shape.width() + j;
      const int32_t weights = static_cast<int32_t>(sums[padded].values);
      channels_.Set(padded, bias[i], multiplier[i]);
      channels_.Add(padded, -offset * weights, (128 - offset) * weights);
    }
  }
}

Int16Requantization Int16Kernel::requantization(int64_t group, int64_t panel,
                                                const OutputRange& output) const {
  return channels_.requantization(FirstOf(group, panel), output);
}

void Gemm(const RowBlocks& high, const RowBlocks& low, const Int16Kernel& kernel,
          const OutputRange& output, int16_t* out, const ParallelFor& parallel_for) {
  const PackedShape& shape = kernel.shape();
  const int64_t columns = shape.groups * shape.columns;
  const PanelMultiply multiply = PanelMultiplyOf(kernel.gemm(), shape);
  const auto requantize = kernel.kernels().loops.gemm.requantize_to_int16;
  const auto body = [&](const LeftOperand& operand, const LoadedRows& rows, const ReadyPanel& at) {
    const Int16Requantization requantization = kernel.requantization(at.group, at.index, output);
    int16_t* to = out + rows.first * columns + at.group * shape.columns + at.index * kPanelColumns;
    int32_t sums[kSumRows * kPanelColumns];
    for (int64_t first = 0; first < rows.count; first += kSumRows) {
      const int64_t count = std::min(kSumRows, rows.count - first);
      LeftOperand some = operand;
      some.rows += first;
      multiply.functions.to_sums(some, count, at.panel, sums, kPanelColumns);
      for (int64_t i = 0; i < count; i += 2, to += columns) {
        requantize(sums + i * kPanelColumns, sums + (i + 1) * kPanelColumns, at.panel.columns,
                   requantization, to);
      }
    }
  };
  ForPanels(HalfRows(high, low), shape, kernel.packed(), multiply.is_expanded, parallel_for, body);
}

void QuantizedMatMul(const int16_t* x, int64_t rows, const Int16Kernel& kernel,
                     const OutputRange& output, int16_t* out, const ParallelFor& parallel_for) {
  const auto half = [&](const Copy& copy) {
    return MatrixRows(x, rows, copy, kernel.shape(), parallel_for.threads());
  };
  Gemm(half(CopyHighOf(kernel.gemm())), half(CopyLowOf(kernel.gemm())), kernel, output, out,
       parallel_for);
}

}  // namespace kerasopt
