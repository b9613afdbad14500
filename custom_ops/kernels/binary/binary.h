// Convolution of signs: 1 for a value that is at least 0, else -1, with weights of 1 and -1.
//
// Their bits differ where a product is -1, so a sum of n products is n less twice the bits that
// differ. What is padded is 0, as neither sign is: windows that reach beyond the image have other
// first sums.

#ifndef KERASOPT_KERNELS_BINARY_BINARY_H_
#define KERASOPT_KERNELS_BINARY_BINARY_H_

#include <cstdint>
#include <vector>

#include "kernels/common/image_lines.h"
#include "kernels/gemm/packed_kernel.h"
#include "kernels/common/parallel_for.h"

namespace kerasopt {

// Sums are multiples of 2^kSumBits, so that a bias that is rounded to an integer keeps its digits.
constexpr int kSumBits = 12;
// With a bias that is clamped to 2^30, sums of so many products stay in int32.
constexpr int64_t kMostBinaryProducts = (1 << 18) - 1;

// A run for each pixel of the kernel.
inline PackedShape PackedBinary(const ConvolutionShape& shape, int64_t filters) {
  return {1, shape.height.kernel * shape.width.kernel, shape.channels, filters,
          WeightFormat::kBinary};
}

// A packed kernel that is kept elsewhere, its scales and biases.
class BinaryKernel {
 public:
  BinaryKernel(const KernelTable& kernels, const PackedShape& shape, const int8_t* packed,
               const float* scale, const float* bias);

  const KernelTable& kernels() const { return *kernels_; }
  const PackedShape& shape() const { return shape_; }
  const int8_t* packed() const { return packed_; }
  // Sums of the weights of one pixel of the kernel, for the columns of a panel.
  const int32_t* sums(int64_t run, int64_t panel) const {
    return sums_.data() + run * shape_.width() + panel * kPanelColumns;
  }
  FloatScaling scaling(int64_t panel, const float* ones) const;

 private:
  const KernelTable* kernels_;
  PackedShape shape_;
  const int8_t* packed_;
  // Padded to shape_.width() columns.
  std::vector<int32_t> sums_;
  std::vector<float> scale_, bias_;
};

// The float32 results float(sum * 2^12 + rint(bias / m)) * m with m = scale / 2^12, as FloatScaling
// has it.
void BinaryConv2D(const float* x, const ConvolutionShape& shape, const BinaryKernel& kernel,
                  float* out, const ParallelFor& parallel_for);

}  // namespace kerasopt

#endif  // KERASOPT_KERNELS_BINARY_BINARY_H_
