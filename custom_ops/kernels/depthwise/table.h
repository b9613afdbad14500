// The functions that each instruction set has for depthwise convolutions.

#ifndef KERASOPT_KERNELS_DEPTHWISE_TABLE_H_
#define KERASOPT_KERNELS_DEPTHWISE_TABLE_H_

#include <cstdint>

#include "kernels/common/sums.h"

namespace kerasopt {

// Lines of an image, with the padding around it, that a depthwise convolution reads for some lines
// of its output: one channel for each of the output.
struct DepthwiseBlock {
  const void* image;
  int64_t line_stride;  // from one line of the image to the next one, in values
  int64_t channels;
  int64_t lines, pixels;  // of the output
  int64_t kernel_height, kernel_width;
  int64_t height_stride, width_stride;
  int64_t height_dilation, width_dilation;
  int32_t input_zero_point;
};

// `kernel` has the shape (kernel_height, kernel_width, channels). A vector behind the image may be
// read.
using DepthwiseFunction = void (*)(const DepthwiseBlock& block, const int8_t* kernel,
                                   const Requantization& requantization, int8_t* out);

// The same of an image of int16 values. Up to kMostInt16Taps of them are summed.
using Int16DepthwiseFunction = void (*)(const DepthwiseBlock& block, const int8_t* kernel,
                                        const Int16Requantization& requantization, int16_t* out);
constexpr int64_t kMostInt16Taps = 511;

struct DepthwiseLoops {
  DepthwiseFunction int8;
  Int16DepthwiseFunction int16;
};

// A faster function for some kernels, whose images are converted as the GEMM's activations are.
struct DepthwiseKernel {
  bool (*supports)(const DepthwiseBlock& block);
  DepthwiseFunction run;
};

#ifdef KERASOPT_X86
extern const DepthwiseKernel kDepthwiseAvx512Vnni;
#endif

}  // namespace kerasopt

#endif  // KERASOPT_KERNELS_DEPTHWISE_TABLE_H_
