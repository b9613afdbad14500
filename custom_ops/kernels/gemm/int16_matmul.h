// Products of int16 activations with kernels of small integers, to int16.
//
// An activation is 256 * high + low + 128, where high and low are int8 values. So each row of
// activations is two rows of the int8 GEMM, whose sums never leave int32, and which all formats of
// weights and all instruction sets have.

#ifndef KERASOPT_KERNELS_GEMM_INT16_MATMUL_H_
#define KERASOPT_KERNELS_GEMM_INT16_MATMUL_H_

#include <cstdint>
#include <vector>

#include "kernels/gemm/gemm.h"

namespace kerasopt {

// Products of which the sums of either half stay in int32.
constexpr int64_t kMostInt16Products = 65536;

// By how many bits sums of so many products and an int32 bias are shifted to fit into int32.
int Int16Shift(int64_t products);

// Biases and multipliers of channels whose sums are split in two halves.
class Int16Channels {
 public:
  // All biases 0 and multipliers 1; sums are of `products`.
  Int16Channels(int64_t channels, int64_t products);

  void Set(int64_t channel, int32_t bias, float multiplier);
  // Adds to the halves of the sums of a channel.
  void Add(int64_t channel, int32_t high, int32_t low);

  // Of the channels from `first` on.
  Int16Requantization requantization(int64_t first, const OutputRange& output) const;

 private:
  int shift_;
  std::vector<int32_t> high_, low_;
  std::vector<float> multiplier_;
};

class Int16Kernel : public PackedWeights {
 public:
  // `bias` and `multiplier` have groups * columns values.
  Int16Kernel(const KernelTable& kernels, const PackedShape& shape, const int8_t* packed,
              const int32_t* bias, const float* multiplier);

  const GemmKernel& gemm() const { return kernels().gemm; }
  Int16Requantization requantization(int64_t group, int64_t panel, const OutputRange& output) const;

 private:
  Int16Channels channels_;  // padded to shape().width() a group
};

// Writes rows of groups * columns values; `high` and `low` have the halves of the same rows.
void Gemm(const RowBlocks& high, const RowBlocks& low, const Int16Kernel& kernel,
          const OutputRange& output, int16_t* out, const ParallelFor& parallel_for);

// Row-major x of shape (rows, depth).
void QuantizedMatMul(const int16_t* x, int64_t rows, const Int16Kernel& kernel,
                     const OutputRange& output, int16_t* out, const ParallelFor& parallel_for);

}  // namespace kerasopt

#endif  // KERASOPT_KERNELS_GEMM_INT16_MATMUL_H_
