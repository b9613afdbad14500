// A cache of what ops prepared of their weights, for as long as these live.
//
// TensorFlow keeps the kernel of an op that ran eagerly for ever, so what is prepared belongs to
// the tensor of weights and not to the kernel. There is one reference to a tensor here, however
// many kernels use it: once it is the only one left, the tensor and what was made of it are
// dropped. That is looked at when other weights are prepared, and when Python has collected
// garbage.

#ifndef KERASOPT_TENSORFLOW_KEPT_WEIGHTS_H_
#define KERASOPT_TENSORFLOW_KEPT_WEIGHTS_H_

#include <map>
#include <memory>
#include <mutex>
#include <unordered_map>

#include "tensorflow/core/framework/tensor.h"

namespace kerasopt {

class KeptWeights {
 public:
  static KeptWeights& Get();

  void Keep(const void* owner, const tensorflow::Tensor& source,
            std::shared_ptr<const void> prepared);
  // Drops what an owner had made of the tensor that was at an address.
  void Drop(const void* owner, const void* source);
  void DropUnused();

 private:
  struct Kept {
    tensorflow::Tensor source;
    std::map<const void*, std::shared_ptr<const void>> prepared;  // by owner
  };
  using Tensors = std::unordered_map<const void*, Kept>;  // by address

  // Takes out what nothing else refers to.
  Tensors TakeUnused();

  std::mutex mutex_;
  Tensors kept_;
};

}  // namespace kerasopt

#endif  // KERASOPT_TENSORFLOW_KEPT_WEIGHTS_H_
