// int8 convolutions with fused bias and requantization, NHWC.

#ifndef KERASOPT_KERNELS_CONVOLUTION_H_
#define KERASOPT_KERNELS_CONVOLUTION_H_

#include <cstdint>

#include "kernels/gemm.h"

namespace kerasopt {

// One spatial axis of a convolution.
struct Window {
  int64_t input, kernel, stride, dilation;
  int64_t output, pad_before, pad_after;
};

// Output size and padding of an axis; output is 0 if the dilated kernel does not fit.
Window MakeWindow(int64_t input, int64_t kernel, int64_t stride, int64_t dilation, bool same);

struct ConvolutionShape {
  int64_t batch, channels;
  Window height, width;
};

// Kernel HWIO, packed as the matrix (height * width * channels, filters).
void QuantizedConv2D(const int8_t* x, const ConvolutionShape& shape, const PackedWeights& weights,
                     const OutputQuantization& quantization, int8_t* out,
                     const ParallelFor& parallel_for);

// Kernel (height, width, channels, depth_multiplier), as it is.
void QuantizedDepthwiseConv2D(const int8_t* x, const ConvolutionShape& shape,
                              int64_t depth_multiplier, const int8_t* kernel,
                              const OutputQuantization& quantization, int8_t* out,
                              const ParallelFor& parallel_for);

}  // namespace kerasopt

#endif  // KERASOPT_KERNELS_CONVOLUTION_H_
