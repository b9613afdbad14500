// Depthwise convolutions of int8 and int16 images with fused bias and requantization, NHWC.

#ifndef KERASOPT_KERNELS_DEPTHWISE_DEPTHWISE_H_
#define KERASOPT_KERNELS_DEPTHWISE_DEPTHWISE_H_

#include <cstdint>

#include "kernels/common/image_lines.h"
#include "kernels/common/parallel_for.h"
#include "kernels/depthwise/table.h"

namespace kerasopt {

// Kernel (height, width, channels, depth_multiplier), as it is. T is int8_t with Requantization, or
// int16_t with Int16Requantization and a zero point of 0.
template <typename T, typename Output>
void QuantizedDepthwiseConv2D(const T* x, const ConvolutionShape& shape, int64_t depth_multiplier,
                              const int8_t* kernel, int8_t zero_point, const Output& output, T* out,
                              const ParallelFor& parallel_for);

}  // namespace kerasopt

#endif  // KERASOPT_KERNELS_DEPTHWISE_DEPTHWISE_H_
