// What the ops with a kernel share: the parts of a tensor of weights, prepared once.

#ifndef KERASOPT_TENSORFLOW_OP_WEIGHTS_H_
#define KERASOPT_TENSORFLOW_OP_WEIGHTS_H_

#include <cmath>
#include <cstring>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "kernels/dispatch.h"
#include "kernels/packed_kernel.h"
#include "op_support.h"

namespace kerasopt {

// Inputs of these ops.
constexpr int kX = 0, kWeights = 1;

// The parts of a tensor of weights: the kernel, filled up to whole cache lines, then biases and
// multipliers (or scales), copied because nothing aligns them.
template <typename Bias>
class Weights {
 public:
  static constexpr int64_t kCacheLine = 64;

  absl::Status Init(const tensorflow::Tensor& tensor, int64_t kernel_bytes, int64_t channels) {
    const int64_t first = CeilDivide(kernel_bytes, kCacheLine) * kCacheLine;
    static_assert(sizeof(Bias) == sizeof(float), "both vectors have the same size");
    const int64_t vector = channels * sizeof(float);
    if (tensor.dims() != 1 || tensor.dim_size(0) != first + 2 * vector) {
      return InvalidArgument("weights must have the shape [", first + 2 * vector,
                             "] for this kernel. Received: weights.shape=",
                             tensor.shape().DebugString());
    }
    kernel_ = tensor.flat<int8_t>().data();
    bias_.resize(channels);
    multiplier_.resize(channels);
    std::memcpy(bias_.data(), kernel_ + first, vector);
    std::memcpy(multiplier_.data(), kernel_ + first + vector, vector);
    for (int64_t i = 0; i < channels; ++i) {
      if (!(multiplier_[i] > 0.0f) || !std::isfinite(multiplier_[i])) {
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

// Keeps what an op prepared of its weights for as long as it receives the same tensor.
//
// The cache holds a reference to it. TensorFlow writes to a buffer only while its reference is the
// only one, so an equal address means equal values.
template <typename Prepared>
class Cache {
 public:
  // `prepare(&prepared)` makes a std::shared_ptr<const Prepared>, if `is_valid(prepared)` is false
  // for what there is, or the tensor is another one.
  template <typename IsValid, typename Prepare>
  absl::Status Get(const tensorflow::Tensor& weights, const IsValid& is_valid, const Prepare& prepare,
             std::shared_ptr<const Prepared>* prepared) {
    std::lock_guard<std::mutex> lock(mutex_);
    const bool is_same = prepared_ != nullptr && source_.data() == weights.data() &&
                         source_.NumElements() == weights.NumElements();
    if (!is_same || !is_valid(*prepared_)) {
      prepared_ = nullptr;
      TF_RETURN_IF_ERROR(prepare(&prepared_));
      source_ = weights;
    }
    *prepared = prepared_;
    return absl::OkStatus();
  }

 private:
  std::mutex mutex_;
  tensorflow::Tensor source_;
  std::shared_ptr<const Prepared> prepared_;
};

// Reads how a kernel is stored.
template <typename Context>
absl::Status GetWeightFormat(Context* context, WeightFormat* format) {
  std::string name;
  TF_RETURN_IF_ERROR(context->GetAttr("weight_format", &name));
  *format = name == "int4"       ? WeightFormat::kInt4
            : name == "2:4"      ? WeightFormat::kTwoOfFour
            : name == "float16"  ? WeightFormat::kFloat16
            : name == "bfloat16" ? WeightFormat::kBfloat16
                                 : WeightFormat::kInt8;
  return absl::OkStatus();
}

// Reads into how many groups of one size the filters of a convolution are divided.
template <typename Context>
absl::Status GetGroups(Context* context, int64_t filters, int64_t* groups) {
  TF_RETURN_IF_ERROR(context->GetAttr("groups", groups));
  if (filters % *groups == 0) return absl::OkStatus();
  return InvalidArgument("The filters must be in ", *groups, " groups of one size. Received: ",
                         filters, " filters");
}

// Reads the shape of a kernel before it was packed.
absl::Status GetKernelShape(tensorflow::OpKernelConstruction* context, size_t rank,
                            std::vector<int64_t>* shape);

bool IsSame(const PackedShape& a, const PackedShape& b);

// The kernel of a matrix multiplication or convolution, a PackedKernel or its like, prepared for
// the instruction set in use; `arguments` are what its constructor takes last.
template <typename Kernel, typename... Arguments>
absl::Status GetPackedKernel(const tensorflow::Tensor& tensor, const PackedShape& shape,
                             Cache<Kernel>* cache, std::shared_ptr<const Kernel>* kernel,
                             Arguments... arguments) {
  const KernelTable& kernels = Kernels();
  return cache->Get(
      tensor,
      [&](const Kernel& known) {
        return &known.kernels() == &kernels && IsSame(known.shape(), shape);
      },
      [&](std::shared_ptr<const Kernel>* prepared) {
        Weights<int32_t> weights;
        TF_RETURN_IF_ERROR(weights.Init(tensor, shape.bytes(), shape.groups * shape.columns));
        *prepared = std::make_shared<const Kernel>(kernels, shape, weights.kernel(),
                                                   weights.bias(), weights.multiplier(),
                                                   arguments...);
        return absl::OkStatus();
      },
      kernel);
}

// A kernel whose sums are scaled to float32, prepared in the same way.
template <typename Kernel>
absl::Status GetFloatKernel(const tensorflow::Tensor& tensor, const PackedShape& shape,
                            Cache<Kernel>* cache, std::shared_ptr<const Kernel>* kernel) {
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
