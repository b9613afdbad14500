// Convolutions of int8 and int16 images with fused bias and requantization, NHWC.

#ifndef KERASOPT_KERNELS_GEMM_CONVOLUTION_H_
#define KERASOPT_KERNELS_GEMM_CONVOLUTION_H_

#include <cstdint>

#include "kernels/common/image_lines.h"
#include "kernels/gemm/gemm.h"
#include "kernels/gemm/int16_matmul.h"

namespace kerasopt {

// The shape of a packed kernel (height, width, channels / groups, filters).
PackedShape PackedConvolution(const ConvolutionShape& shape, int64_t filters, int64_t groups,
                              WeightFormat format = WeightFormat::kInt8);

// Whether each output pixel reads only the input pixel at its place.
bool IsPointwise(const ConvolutionShape& shape, const PackedShape& kernel);

// Padding is with the zero point.
void QuantizedConv2D(const int8_t* x, const ConvolutionShape& shape, const PackedKernel& kernel,
                     const OutputRange& output, int8_t* out, const ParallelFor& parallel_for);
void QuantizedConv2D(const int16_t* x, const ConvolutionShape& shape, const Int16Kernel& kernel,
                     const OutputRange& output, int16_t* out, const ParallelFor& parallel_for);

}  // namespace kerasopt

#endif  // KERASOPT_KERNELS_GEMM_CONVOLUTION_H_
