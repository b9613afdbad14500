// float32 rows, rounded to int8 as they come, times an int8 matrix.

#ifndef KERASOPT_KERNELS_GEMM_DYNAMIC_MATMUL_H_
#define KERASOPT_KERNELS_GEMM_DYNAMIC_MATMUL_H_

#include <cstdint>
#include <vector>

#include "kernels/gemm/gemm.h"

namespace kerasopt {

// Of one group and run.
class DynamicKernel : public PackedWeights {
 public:
  DynamicKernel(const KernelTable& kernels, const PackedShape& shape, const int8_t* packed,
                const float* scale, const float* bias);

  // What sums begin with, since activations are stored plus the GEMM's offset.
  const int32_t* first(int64_t panel) const { return first_.data() + panel * kPanelColumns; }
  FloatScaling scaling(int64_t panel, const float* row_scales) const;
  // With smaller scales of rows a bias would leave int32.
  float smallest_scale() const { return smallest_scale_; }

 private:
  // Padded to shape().width() columns.
  std::vector<int32_t> first_;
  std::vector<float> scale_, bias_;
  float smallest_scale_ = kSmallestScale;
};

// Row-major x of shape (rows, depth).
void DynamicMatMul(const float* x, int64_t rows, const DynamicKernel& kernel, float* out,
                   const ParallelFor& parallel_for);

}  // namespace kerasopt

#endif  // KERASOPT_KERNELS_GEMM_DYNAMIC_MATMUL_H_
