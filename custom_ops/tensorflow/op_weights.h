// What the ops with a kernel share: the parts of a tensor of weights, prepared once.

#ifndef KERASOPT_TENSORFLOW_OP_WEIGHTS_H_
#define KERASOPT_TENSORFLOW_OP_WEIGHTS_H_

#include <cstring>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "kept_weights.h"
#include "kernels/dispatch.h"
#include "kernels/gemm/packed_kernel.h"
#include "op_support.h"

namespace kerasopt {

// Inputs of these ops.
constexpr int kX = 0, kWeights = 1;

// The parts of a tensor of weights: the kernel, filled up to whole cache lines, then biases and
// multipliers (or scales), copied because nothing aligns them.
template <typename Bias>
class Weights {
 public:
  Status Init(const Tensor& tensor, int64_t kernel_bytes, int64_t channels) {
    TF_RETURN_IF_ERROR(CheckWeights(tensor.shape(), PackedBytes(kernel_bytes, channels)));
    static_assert(sizeof(Bias) == sizeof(float), "both vectors have the same size");
    const int64_t vector = channels * sizeof(float);
    const int64_t first = tensor.NumElements() - 2 * vector;
    kernel_ = tensor.flat<int8_t>().data();
    bias_.resize(channels);
    multiplier_.resize(channels);
    std::memcpy(bias_.data(), kernel_ + first, vector);
    std::memcpy(multiplier_.data(), kernel_ + first + vector, vector);
    for (int64_t i = 0; i < channels; ++i) {
      if (!IsPositive(multiplier_[i])) {
        return InvalidArgument("multiplier must be positive and finite. Received: multiplier[", i,
                               "]=", multiplier_[i]);
      }
    }
    return absl::OkStatus();
  }

  const int8_t* kernel() const { return kernel_; }
  const Bias* bias() const { return bias_.data(); }
  const float* multiplier() const { return multiplier_.data(); }

 private:
  const int8_t* kernel_;
  std::vector<Bias> bias_;
  std::vector<float> multiplier_;
};

// Finds what a kernel prepared of its weights, as long as it receives the same tensor.
//
// KeptWeights holds a reference to that. TensorFlow writes to a buffer only while its reference is
// the only one, so an equal address means equal values.
template <typename Prepared>
class Cache {
 public:
  ~Cache() { KeptWeights::Get().Drop(this, source_); }

  // `prepare(&prepared)` makes a std::shared_ptr<const Prepared>, if `is_valid(prepared)` is false
  // for what there is, or the tensor is another one.
  template <typename IsValid, typename Prepare>
  Status Get(const Tensor& weights, const IsValid& is_valid, const Prepare& prepare,
             std::shared_ptr<const Prepared>* prepared) {
    std::lock_guard<std::mutex> lock(mutex_);
    *prepared = prepared_.lock();
    const bool is_same =
        *prepared != nullptr && source_ == weights.data() && size_ == weights.NumElements();
    if (is_same && is_valid(**prepared)) return absl::OkStatus();
    KeptWeights::Get().Drop(this, source_);
    TF_RETURN_IF_ERROR(prepare(prepared));
    KeptWeights::Get().Keep(this, weights, *prepared);
    prepared_ = *prepared;
    source_ = weights.data();
    size_ = weights.NumElements();
    return absl::OkStatus();
  }

 private:
  std::mutex mutex_;
  std::weak_ptr<const Prepared> prepared_;
  const void* source_ = nullptr;
  int64_t size_ = 0;
};

// The kernel of a matrix multiplication or convolution, a PackedKernel or its like, prepared for
// the instruction set in use; `arguments` are what its constructor takes last.
template <typename Kernel, typename... Arguments>
Status GetPackedKernel(const Tensor& tensor, const PackedShape& shape, Cache<Kernel>* cache,
                       std::shared_ptr<const Kernel>* kernel, Arguments... arguments) {
  const KernelTable& kernels = Kernels();
  return cache->Get(
      tensor,
      [&](const Kernel& known) { return &known.kernels() == &kernels && known.shape() == shape; },
      [&](std::shared_ptr<const Kernel>* prepared) {
        Weights<int32_t> weights;
        TF_RETURN_IF_ERROR(weights.Init(tensor, shape.bytes(), shape.groups * shape.columns));
        *prepared = std::make_shared<const Kernel>(kernels, shape, weights.kernel(), weights.bias(),
                                                   weights.multiplier(), arguments...);
        return absl::OkStatus();
      },
      kernel);
}

// A kernel whose sums are scaled to float32, prepared in the same way.
template <typename Kernel>
Status GetFloatKernel(const Tensor& tensor, const PackedShape& shape, Cache<Kernel>* cache,
                      std::shared_ptr<const Kernel>* kernel) {
  const KernelTable& kernels = Kernels();
  return cache->Get(
      tensor, [&](const Kernel& known) { return &known.kernels() == &kernels; },
      [&](std::shared_ptr<const Kernel>* prepared) {
        Weights<float> weights;
        TF_RETURN_IF_ERROR(weights.Init(tensor, shape.bytes(), shape.groups * shape.columns));
        *prepared = std::make_shared<const Kernel>(kernels, shape, weights.kernel(),
                                                   weights.multiplier(), weights.bias());
        return absl::OkStatus();
      },
      kernel);
}

}  // namespace kerasopt

#endif  // KERASOPT_TENSORFLOW_OP_WEIGHTS_H_
