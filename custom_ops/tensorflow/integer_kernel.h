// The kernels of integer contractions, by the type of their activations.

#ifndef KERASOPT_TENSORFLOW_INTEGER_KERNEL_H_
#define KERASOPT_TENSORFLOW_INTEGER_KERNEL_H_

#include <type_traits>

#include "kernels/gemm/int16_matmul.h"
#include "op_weights.h"

namespace kerasopt {

template <typename T>
using IntegerKernel = std::conditional_t<sizeof(T) == 1, PackedKernel, Int16Kernel>;

template <typename T>
absl::Status GetIntegerKernel(const tensorflow::Tensor& tensor, const PackedShape& shape,
                              int32_t input_zero_point, Cache<IntegerKernel<T>>* cache,
                              std::shared_ptr<const IntegerKernel<T>>* kernel) {
  if constexpr (sizeof(T) == 1) {
    return GetPackedKernel(tensor, shape, cache, kernel, static_cast<int8_t>(input_zero_point));
  } else {
    TF_RETURN_IF_ERROR(CheckProducts<T>(shape.runs * shape.depth, kMostInt16Products));
    return GetPackedKernel(tensor, shape, cache, kernel);
  }
}

// The weights of a depthwise convolution.
template <typename T>
class DepthwiseWeights : public Weights<int32_t> {
 public:
  Requantization requantization(const OutputRange& output) const {
    return RequantizationOf(bias(), multiplier(), output);
  }
  void Prepare(int64_t, int64_t) {}
};

template <>
class DepthwiseWeights<int16_t> : public Weights<int32_t> {
 public:
  Int16Requantization requantization(const OutputRange& output) const {
    return channels_.requantization(0, output);
  }

  void Prepare(int64_t channels, int64_t taps) {
    channels_ = Int16Channels(channels, taps);
    for (int64_t i = 0; i < channels; ++i) channels_.Set(i, bias()[i], multiplier()[i]);
  }

 private:
  Int16Channels channels_{0, 0};
};

}  // namespace kerasopt

#endif  // KERASOPT_TENSORFLOW_INTEGER_KERNEL_H_
