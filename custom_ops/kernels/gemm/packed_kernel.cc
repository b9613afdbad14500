#include "kernels/gemm/packed_kernel.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "kernels/dispatch.h"

namespace kerasopt {
namespace {

// The magnitude that scaled sums may have in the vector GEMMs, with room for rounding.
constexpr double kLargestScaled = 1 << 30;
// The largest magnitude of an activation less its zero point, or stored plus 128.
constexpr double kLargestActivation = 255;

}  // namespace

Panel PanelOf(const int8_t* packed, const PackedShape& shape, int64_t group, int64_t index) {
  const int64_t first = index * kPanelColumns, block_bytes = BlockBytes(shape.format);
  const int64_t offset =
      group * shape.group_bytes() + first / kColumnBlock * shape.quads() * block_bytes;
  const int width = static_cast<int>(std::min(kPanelColumns, shape.width() - first));
  return {packed + offset, width, static_cast<int>(std::min(kPanelColumns, shape.columns - first)),
          static_cast<int>(width / kColumnBlock * block_bytes)};
}

Panel ExpandedPanelOf(const int8_t* packed, const PackedShape& shape, int64_t group, int64_t index,
                      int8_t* out) {
  Panel panel = PanelOf(packed, shape, group, index);
  if (shape.format == WeightFormat::kInt8) return panel;
  Kernels().loops.gemm.expand(panel.weights, shape.format, shape.quads(), panel.width, out);
  panel.weights = out;
  panel.quad_bytes = panel.width * static_cast<int>(kQuad);
  return panel;
}

std::vector<ColumnSums> SumColumns(const int8_t* packed, const PackedShape& shape) {
  std::vector<ColumnSums> sums(shape.groups * shape.width());
  std::vector<int8_t> expanded(
      shape.format == WeightFormat::kInt8 ? 0 : shape.expanded_quads() * kQuad * kPanelColumns);
  for (int64_t group = 0; group < shape.groups; ++group) {
    for (int64_t p = 0; p < shape.panels(); ++p) {
      const Panel panel = ExpandedPanelOf(packed, shape, group, p, expanded.data());
      ColumnSums* first = sums.data() + group * shape.width() + p * kPanelColumns;
      const int8_t* weights = panel.weights;
      for (int64_t q = 0; q < shape.expanded_quads(); ++q) {
        for (int j = 0; j < panel.width; ++j, weights += kQuad) {
          for (int k = 0; k < kQuad; ++k) {
            first[j].values += static_cast<uint32_t>(weights[k]);
            first[j].magnitudes += static_cast<uint32_t>(std::abs(int{weights[k]}));
          }
        }
      }
    }
  }
  return sums;
}

PackedKernel::PackedKernel(const KernelTable& kernels, const PackedShape& shape,
                           const int8_t* packed, const int32_t* bias, const float* multiplier,
                           int8_t input_zero_point)
    : PackedWeights(kernels, shape, packed),
      gemm_(&kernels.gemm),
      input_zero_point_(input_zero_point),
      bias_(shape.groups * shape.width(), 0),
      multiplier_(shape.groups * shape.width(), 1.0f) {
  const std::vector<ColumnSums> sums = SumColumns(packed, shape);
  for (int64_t group = 0; group < shape.groups; ++group) {
    for (int64_t j = 0; j < shape.columns; ++j) {
      const int64_t i = group * shape.columns + j, padded = group * shape.width() + j;
      const double largest =
          sums[padded].magnitudes * kLargestActivation + std::abs(static_cast<double>(bias[i]));
      if (largest * multiplier[i] > kLargestScaled) gemm_ = &kGemmScalar;
      multiplier_[padded] = multiplier[i];
    }
  }
  // Unsigned, since sums wrap around.
  const uint32_t offset = input_zero_point + gemm_->activation_offset;
  for (int64_t group = 0; group < shape.groups; ++group) {
    for (int64_t j = 0; j < shape.columns; ++j) {
      const int64_t padded = group * shape.width() + j;
      const uint32_t value = static_cast<uint32_t>(bias[group * shape.columns + j]);
      bias_[padded] = static_cast<int32_t>(value - offset * sums[padded].values);
    }
  }
}

}  // namespace kerasopt
