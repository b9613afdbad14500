// What is multiplied with packed weights, and how: by the kernels of matrix multiplications and of
// convolutions. `Value` is of inputs and outputs, `Kernel` what is prepared of the weights.

#ifndef KERASOPT_TENSORFLOW_PRODUCTS_H_
#define KERASOPT_TENSORFLOW_PRODUCTS_H_

#include <type_traits>

#include "kernels/gemm/convolution.h"
#include "kernels/gemm/dynamic_matmul.h"
#include "kernels/gemm/int16_matmul.h"
#include "kernels/half/half_matmul.h"
#include "op_weights.h"

namespace kerasopt {

// T is int8_t or int16_t.
template <typename T>
class IntegerProduct {
 public:
  using Value = T;
  using Kernel = std::conditional_t<sizeof(T) == 1, PackedKernel, Int16Kernel>;
  static constexpr bool kIsHalf = false;

  Status Init(OpKernelConstruction* context) { return GetZeroPointsAndRange<T>(context, &range_); }

  Status GetKernel(const Tensor& weights, const PackedShape& shape, Cache<Kernel>* cache,
                   std::shared_ptr<const Kernel>* kernel) const {
    if constexpr (sizeof(T) == 1) {
      return GetPackedKernel(weights, shape, cache, kernel,
                             static_cast<int8_t>(range_.input_zero_point));
    } else {
      TF_RETURN_IF_ERROR(CheckProducts<T>(shape.runs * shape.depth, kMostInt16Products));
      return GetPackedKernel(weights, shape, cache, kernel);
    }
  }

  void MatMul(const T* x, int64_t rows, const Kernel& kernel, T* y,
              const ParallelFor& parallel_for) const {
    QuantizedMatMul(x, rows, kernel, range_.output, y, parallel_for);
  }

  void Conv2D(const T* x, const ConvolutionShape& shape, const Kernel& kernel, T* y,
              const ParallelFor& parallel_for) const {
    QuantizedConv2D(x, shape, kernel, range_.output, y, parallel_for);
  }

 private:
  ZeroPointsAndRange range_;
};

// float32 values, multiplied with a kernel whose sums are scaled to float32.
template <typename KernelType>
class FloatProduct {
 public:
  using Value = float;
  using Kernel = KernelType;

  Status Init(OpKernelConstruction*) { return absl::OkStatus(); }

  Status GetKernel(const Tensor& weights, const PackedShape& shape, Cache<Kernel>* cache,
                   std::shared_ptr<const Kernel>* kernel) const {
    return GetFloatKernel(weights, shape, cache, kernel);
  }
};

class DynamicProduct : public FloatProduct<DynamicKernel> {
 public:
  static constexpr bool kIsHalf = false;

  void MatMul(const float* x, int64_t rows, const DynamicKernel& kernel, float* y,
              const ParallelFor& parallel_for) const {
    DynamicMatMul(x, rows, kernel, y, parallel_for);
  }
};

class HalfProduct : public FloatProduct<HalfKernel> {
 public:
  static constexpr bool kIsHalf = true;

  void MatMul(const float* x, int64_t rows, const HalfKernel& kernel, float* y,
              const ParallelFor& parallel_for) const {
    HalfMatMul(x, rows, kernel, y, parallel_for);
  }

  void Conv2D(const float* x, const ConvolutionShape& shape, const HalfKernel& kernel, float* y,
              const ParallelFor& parallel_for) const {
    HalfConv2D(x, shape, kernel, y, parallel_for);
  }
};

}  // namespace kerasopt

#endif  // KERASOPT_TENSORFLOW_PRODUCTS_H_
