#include "kernels/packed_kernel.h"

#include <algorithm>

namespace kerasopt {
namespace {

// Adds the sum of each column of a panel to `sums`.
void SumColumns(const Panel& panel, int64_t quads, uint32_t* sums) {
  const int8_t* weights = panel.weights;
  for (int64_t q = 0; q < quads; ++q) {
    for (int j = 0; j < panel.width; ++j, weights += kQuad) {
      for (int k = 0; k < kQuad; ++k) sums[j] += static_cast<uint32_t>(weights[k]);
    }
  }
}

}  // namespace

PackedKernel::PackedKernel(const GemmKernel& gemm, const PackedShape& shape, const int8_t* packed,
                           const int32_t* bias, const float* multiplier, int32_t input_zero_point)
    : gemm_(&gemm),
      shape_(shape),
      packed_(packed),
      bias_(shape.groups * shape.width(), 0),
      multiplier_(shape.groups * shape.width(), 1.0f) {
  const uint32_t offset = input_zero_point + gemm.activation_offset;
  std::vector<uint32_t> sums(shape.width());
  for (int64_t group = 0; group < shape.groups; ++group) {
    std::fill(sums.begin(), sums.end(), 0);
    for (int64_t p = 0; p < shape.panels(); ++p) {
      SumColumns(panel(group, p), shape.quads(), sums.data() + p * kPanelColumns);
    }
    const int64_t first = group * shape.columns, padded = group * shape.width();
    for (int64_t j = 0; j < shape.columns; ++j) {
      // Unsigned, since sums wrap around.
      const uint32_t corrected = static_cast<uint32_t>(bias[first + j]) - offset * sums[j];
      bias_[padded + j] = static_cast<int32_t>(corrected);
    }
    std::copy_n(multiplier + first, shape.columns, multiplier_.begin() + padded);
  }
}

Panel PackedKernel::panel(int64_t group, int64_t index) const {
  const int64_t first = index * kPanelColumns;
  const int64_t offset = group * shape_.group_bytes() + first * shape_.quads() * kQuad;
  return {packed_ + offset, static_cast<int>(std::min(kPanelColumns, shape_.width() - first)),
          static_cast<int>(std::min(kPanelColumns, shape_.columns - first))};
}

const int32_t* PackedKernel::bias(int64_t group, int64_t panel) const {
  return bias_.data() + group * shape_.width() + panel * kPanelColumns;
}

const float* PackedKernel::multiplier(int64_t group, int64_t panel) const {
  return multiplier_.data() + group * shape_.width() + panel * kPanelColumns;
}

}  // namespace kerasopt
