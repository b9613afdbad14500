// Elementwise: sums and products of two tensors, quantization and fake quantization.

#ifndef KERASOPT_KERNELS_ELEMENTWISE_ELEMENTWISE_H_
#define KERASOPT_KERNELS_ELEMENTWISE_ELEMENTWISE_H_

#include <cstdint>
#include <vector>

#include "kernels/common/broadcast.h"
#include "kernels/common/parallel_for.h"
#include "kernels/elementwise/table.h"

namespace kerasopt {

// T is int8_t, or int16_t with zero points of 0.
template <typename T>
void QuantizedAdd(const T* x0, const T* x1, const BroadcastPair& pair,
                  const AddParameters& parameters, T* out, const ParallelFor& parallel_for);
void QuantizedMultiply(const int8_t* x0, const int8_t* x1, const BroadcastPair& pair,
                       const ProductParameters& parameters, int8_t* out,
                       const ParallelFor& parallel_for);

// One grid for a whole tensor, or one per channel of its last axis. The ends may differ by channel
// because zero points may.
//
// A training that diverges has scales and zero points of any value. A scale below the smallest
// normal number is 0, since some threads of TensorFlow compute so and others do not; one that is
// not finite is NaN, and so is one with a zero point that is no integer from qmin to qmax.
class QuantizationGrid {
 public:
  // `zero_points` has one value, or as many as there are scales.
  QuantizationGrid(const float* scales, int64_t scale_count, const float* zero_points,
                   int64_t zero_point_count, int32_t qmin, int32_t qmax);

  bool per_channel() const { return min_.size() > 1; }
  int64_t channels() const { return static_cast<int64_t>(min_.size()); }
  Grid grid() const { return {scales_.data(), min_.data(), max_.data()}; }

 private:
  std::vector<float> scales_, min_, max_;
};

// T is int8_t or int16_t.
template <typename T>
void Quantize(const float* x, int64_t count, const QuantizationGrid& grid, int32_t zero_point,
              T* out, const ParallelFor& parallel_for);
void FakeQuantize(const float* x, int64_t count, const QuantizationGrid& grid, float* out,
                  const ParallelFor& parallel_for);
void FakeQuantizeGradient(const float* upstream, const float* x, int64_t count,
                          const QuantizationGrid& grid, float* out,
                          const ParallelFor& parallel_for);
// The same, with the sums for each channel, or for all values, of
//   by_scale: upstream * (q - x / scale) where q was not clamped, upstream * q where it was,
//   clamped: upstream where q was clamped,
// in which q is the integer less the zero point. The order of summation is fixed.
void LearnedScaleGradients(const float* upstream, const float* x, int64_t count,
                           const QuantizationGrid& grid, float* out, float* by_scale,
                           float* clamped, const ParallelFor& parallel_for);
void MinMax(const float* x, int64_t count, float* min, float* max, const ParallelFor& parallel_for);

}  // namespace kerasopt

#endif  // KERASOPT_KERNELS_ELEMENTWISE_ELEMENTWISE_H_
