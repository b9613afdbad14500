#include "kernels/gemm/dynamic_matmul.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/gemm/matrix_rows.h"

namespace kerasopt {
namespace {

// A block has the scales of its rows, the rows, and room to round one.
class RoundedRows : public MatrixBlocks {
 public:
  RoundedRows(const float* x, int64_t rows, const DynamicKernel& kernel, int threads)
      // As if there was one panel: a thread that shares panels would round all rows once more.
      : MatrixBlocks(rows, BlockRows(rows, RowBytes(kernel), 1, threads)),
        x_(x),
        depth_(kernel.shape().depth),
        row_bytes_(RowBytes(kernel)),
        smallest_scale_(kernel.smallest_scale()),
        kernels_(kernel.kernels()) {}

  int64_t scratch_bytes() const override {
    return largest_block() * (sizeof(float) + row_bytes_) + depth_;
  }

  int64_t Load(int64_t block, char* scratch, const char** rows) const override {
    const int64_t first = first_row(block), count = RowsOf(block);
    float* scales = reinterpret_cast<float*>(scratch);
    char* converted = scratch + largest_block() * sizeof(float);
    int8_t* rounded = reinterpret_cast<int8_t*>(converted + largest_block() * row_bytes_);
    for (int64_t i = 0; i < count; ++i) {
      rows[i] = converted + i * row_bytes_;
      kernels_.loops.gemm.quantize_row(x_ + (first + i) * depth_, depth_, smallest_scale_,
                                       scales + i, rounded);
      kernels_.gemm.convert(rounded, depth_, converted + i * row_bytes_);
    }
    return count;
  }

 private:
  static int64_t RowBytes(const DynamicKernel& kernel) {
    return kernel.shape().depth * kernel.kernels().gemm.activation_bytes;
  }

  const float* x_;
  int64_t depth_, row_bytes_;
  float smallest_scale_;
  const KernelTable& kernels_;
};

}  // namespace

DynamicKernel::DynamicKernel(const KernelTable& kernels, const PackedShape& shape,
                             const int8_t* packed, const float* scale, const float* bias)
    : PackedWeights(kernels, shape, packed), scale_(shape.width(), 1.0f) {
  const uint32_t offset = kernels.gemm.activation_offset;
  for (const ColumnSums& sums : SumColumns(packed, shape)) {
    first_.push_back(static_cast<int32_t>(0u - offset * sums.values));
  }
  std::copy_n(scale, shape.columns, scale_.begin());
  const bool has_bias =
      std::any_of(bias, bias + shape.columns, [](float value) { return value != 0.0f; });
  if (!has_bias) return;
  float largest = 0.0f;
  for (int64_t j = 0; j < shape.columns; ++j) {
    largest = std::max(largest, std::abs(bias[j]) / scale[j]);
  }
  largest = std::min(largest, std::numeric_limits<float>::max());
  smallest_scale_ = std::max(largest / kLargestOffset, kSmallestScale);
  bias_.assign(shape.width(), 0.0f);
  std::copy_n(bias, shape.columns, bias_.begin());
}

FloatScaling DynamicKernel::scaling(int64_t panel, const float* row_scales) const {
  const int64_t first = panel * kPanelColumns;
  return {row_scales, scale_.data() + first, bias_.empty() ? nullptr : bias_.data() + first};
}

void DynamicMatMul(const float* x, int64_t rows, const DynamicKernel& kernel, float* out,
                   const ParallelFor& parallel_for) {
  const PackedShape& shape = kernel.shape();
  const PanelMultiply multiply = PanelMultiplyOf(kernel.kernels().gemm, shape);
  const auto body = [&](const LeftOperand& operand, const LoadedRows& loaded,
                        const ReadyPanel& at) {
    multiply.functions.to_float(
        operand, loaded.count, at.panel, kernel.first(at.index),
        kernel.scaling(at.index, reinterpret_cast<const float*>(loaded.scratch)),
        out + loaded.first * shape.columns + at.index * kPanelColumns, shape.columns);
  };
  ForPanels(RoundedRows(x, rows, kernel, parallel_for.threads()), shape, kernel.packed(),
            multiply.is_expanded, parallel_for, body);
}

}  // namespace kerasopt
