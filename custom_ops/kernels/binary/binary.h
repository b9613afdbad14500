// Binary convolution: of signs, 1 for a value that is at least 0, else -1, and weights of 1 and -1.
//
// Their bits differ where a product is -1, so a sum of n products is n less twice the bits that
// differ. Padding is 0, which is neither sign: windows that reach beyond the image have other
// first sums.

#ifndef KERASOPT_KERNELS_BINARY_BINARY_H_
#define KERASOPT_KERNELS_BINARY_BINARY_H_

#include <cstdint>
#include <vector>

#include "kernels/common/image_lines.h"
#include "kernels/common/parallel_for.h"
#include "kernels/gemm/packed_kernel.h"

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

class BinaryKernel : public PackedWeights {
 public:
  BinaryKernel(const KernelTable& kernels, const PackedShape& shape, const int8_t* packed,
               const float* scale, const float* bias);

  // Sums of the weights of one pixel of the kernel, for the columns of a panel.
  const int32_t* sums(int64_t run, int64_t panel) const {
    return sums_.data() + FirstOf(run, panel);
  }
  FloatScaling scaling(int64_t panel, const float* ones) const;

 private:
  // Padded to shape().width() columns.
  std::vector<int32_t> sums_;
  std::vector<float> scale_, bias_;
};

// The float32 results float(sum * 2^12 + rint(bias / m)) * m with m = scale / 2^12, as FloatScaling
// has it.
void BinaryConv2D(const float* x, const ConvolutionShape& shape, const BinaryKernel& kernel,
                  float* out, const ParallelFor& parallel_for);

}  // namespace kerasopt

#endif  // KERASOPT_KERNELS_BINARY_BINARY_H_
