// Average and max pooling of int8 images. Padding does not count.

#ifndef KERASOPT_KERNELS_POOLING_POOLING_H_
#define KERASOPT_KERNELS_POOLING_POOLING_H_

#include <cstdint>

#include "kernels/common/image_lines.h"
#include "kernels/common/parallel_for.h"

namespace kerasopt {

struct AverageParameters {
  float scale_ratio;
  int32_t input_zero_point, output_zero_point;
};

void QuantizedAveragePool(const int8_t* x, const ConvolutionShape& shape,
                          const AverageParameters& parameters, int8_t* out,
                          const ParallelFor& parallel_for);

void MaxPool(const int8_t* x, const ConvolutionShape& shape, int8_t* out,
             const ParallelFor& parallel_for);

}  // namespace kerasopt

#endif  // KERASOPT_KERNELS_POOLING_POOLING_H_
