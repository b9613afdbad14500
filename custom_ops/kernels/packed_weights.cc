#include "kernels/packed_weights.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>

namespace kerasopt {
namespace {

constexpr int64_t kAlignment = 64;

template <typename T>
void Pack(const GemmKernel& gemm, const int8_t* weights, int64_t depth, int64_t columns,
          int64_t panels, T* out) {
  const int64_t group = gemm.depth_group;
  for (int64_t panel = 0; panel < panels; ++panel) {
    const int64_t first = panel * gemm.panel_columns;
    const int64_t width = std::min<int64_t>(gemm.panel_columns, columns - first);
    for (int64_t k = 0; k < depth; k += group, out += gemm.panel_columns * group) {
      for (int64_t g = 0; g < std::min(group, depth - k); ++g) {
        const int8_t* row = weights + (k + g) * columns + first;
        for (int64_t j = 0; j < width; ++j) out[j * group + g] = row[j];
      }
    }
  }
}

}  // namespace

void PackedWeights::Free::operator()(char* memory) const { std::free(memory); }

PackedWeights::PackedWeights(const KernelTable& kernels, const int8_t* weights, int64_t depth,
                             int64_t columns)
    : kernels_(&kernels), columns_(columns) {
  const GemmKernel& gemm = kernels.gemm;
  panels_ = (columns + gemm.panel_columns - 1) / gemm.panel_columns;
  depth_groups_ = (depth + gemm.depth_group - 1) / gemm.depth_group;
  panel_bytes_ = depth_groups_ * gemm.depth_group * gemm.panel_columns * gemm.weight_bytes;
  const int64_t bytes = (panels_ * panel_bytes_ + kAlignment - 1) / kAlignment * kAlignment;
  data_.reset(static_cast<char*>(std::aligned_alloc(kAlignment, std::max(bytes, kAlignment))));
  if (data_ == nullptr) throw std::bad_alloc();
  std::memset(data_.get(), 0, bytes);
  if (gemm.weight_bytes == sizeof(int8_t)) {
    Pack(gemm, weights, depth, columns, panels_, reinterpret_cast<int8_t*>(data_.get()));
  } else {
    Pack(gemm, weights, depth, columns, panels_, reinterpret_cast<int16_t*>(data_.get()));
  }
  column_sums_.assign(columns, 0);
  for (int64_t k = 0; k < depth; ++k) {
    for (int64_t j = 0; j < columns; ++j) column_sums_[j] += weights[k * columns + j];
  }
}

std::vector<int32_t> PackedWeights::FoldBias(const int32_t* bias, int32_t input_zero_point) const {
  const uint32_t offset = input_zero_point + gemm().activation_offset;
  std::vector<int32_t> folded(panels_ * gemm().panel_columns, 0);
  for (int64_t j = 0; j < columns_; ++j) {
    folded[j] = static_cast<int32_t>(static_cast<uint32_t>(bias[j]) - offset * column_sums_[j]);
  }
  return folded;
}

}  // namespace kerasopt
