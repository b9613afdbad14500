// Matrix multiplications and convolutions of float32 values with float16 or bfloat16 weights, which
// are converted to float32: every product is of two float32 numbers.

#ifndef KERASOPT_KERNELS_HALF_HALF_MATMUL_H_
#define KERASOPT_KERNELS_HALF_HALF_MATMUL_H_

#include <cstdint>
#include <vector>

#include "kernels/gemm/convolution.h"
#include "kernels/gemm/gemm.h"

namespace kerasopt {

class HalfKernel : public PackedWeights {
 public:
  // `scale` and `bias` have groups * columns values.
  HalfKernel(const KernelTable& kernels, const PackedShape& shape, const int8_t* packed,
             const float* scale, const float* bias);

  ChannelAffine affine(int64_t group, int64_t panel) const;

 private:
  std::vector<float> scale_, bias_;  // padded to shape().width() columns a group
};

// Row-major x of shape (rows, depth).
void HalfMatMul(const float* x, int64_t rows, const HalfKernel& kernel, float* out,
                const ParallelFor& parallel_for);

// Padding is with zeros, which are multiplied as other values are.
void HalfConv2D(const float* x, const ConvolutionShape& shape, const HalfKernel& kernel, float* out,
                const ParallelFor& parallel_for);

}  // namespace kerasopt

#endif  // KERASOPT_KERNELS_HALF_HALF_MATMUL_H_
