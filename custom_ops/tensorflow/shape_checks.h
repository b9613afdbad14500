// Checks of the shapes of inputs, for CPU and XLA kernels.

#ifndef KERASOPT_TENSORFLOW_SHAPE_CHECKS_H_
#define KERASOPT_TENSORFLOW_SHAPE_CHECKS_H_

#include "invalid_argument.h"
#include "kernels/gemm/packed_kernel.h"
#include "tensorflow/core/framework/tensor_shape.h"

namespace kerasopt {

// Error unless the rows of x fit to a kernel.
inline absl::Status CheckRows(const tensorflow::TensorShape& x, int64_t depth) {
  if (x.dims() >= 2 && x.dim_size(x.dims() - 1) == depth) return absl::OkStatus();
  return InvalidArgument("x must have rank 2 or more and the last axis ", depth,
                         " to match kernel. Received: x.shape=", x.DebugString());
}

// Error unless x has rows of at most `longest` values.
inline absl::Status CheckLastAxis(const tensorflow::TensorShape& x, int64_t longest) {
  if (x.dims() > 0 && x.dim_size(x.dims() - 1) <= longest) return absl::OkStatus();
  return InvalidArgument("x must have a last axis, of at most ", longest,
                         " values. Received: x.shape=", x.DebugString());
}

// Error unless a tensor is a vector of such a size.
inline absl::Status CheckVector(const char* name, const tensorflow::TensorShape& shape,
                                int64_t size) {
  if (shape.dims() == 1 && shape.dim_size(0) == size) return absl::OkStatus();
  return InvalidArgument(name, " must have shape (", size, ",). Received: ", name,
                         ".shape=", shape.DebugString());
}

// Bytes of a tensor of weights: the kernel, filled up to whole cache lines, and two vectors.
inline int64_t PackedBytes(int64_t kernel_bytes, int64_t channels) {
  constexpr int64_t kCacheLine = 64;
  return CeilDivide(kernel_bytes, kCacheLine) * kCacheLine + 2 * channels * 4;
}

// Error unless a tensor of weights has so many bytes.
inline absl::Status CheckWeights(const tensorflow::TensorShape& shape, int64_t bytes) {
  if (shape.dims() == 1 && shape.dim_size(0) == bytes) return absl::OkStatus();
  return InvalidArgument("weights must have the shape [", bytes,
                         "] for this kernel. Received: weights.shape=", shape.DebugString());
}

}  // namespace kerasopt

#endif  // KERASOPT_TENSORFLOW_SHAPE_CHECKS_H_
