#include "kept_weights.h"

#include <utility>

namespace kerasopt {
namespace {

// Whether a reference to a tensor is the only one.
bool IsUnused(const tensorflow::Tensor& tensor) {
  return tensor.RefCount() == 1 || tensor.RefCountIsOne();
}

}  // namespace

KeptWeights& KeptWeights::Get() {
  static KeptWeights& kept = *new KeptWeights;  // kernels may outlive static objects
  return kept;
}

void KeptWeights::Keep(const void* owner, const tensorflow::Tensor& source,
                       std::shared_ptr<const void> prepared) {
  Tensors unused;  // freed without the lock
  std::lock_guard<std::mutex> lock(mutex_);
  unused = TakeUnused();
  Kept& kept = kept_[source.data()];
  kept.source = source;
  kept.prepared[owner] = std::move(prepared);
}

void KeptWeights::Drop(const void* owner, const void* source) {
  Kept unused;
  std::lock_guard<std::mutex> lock(mutex_);
  const auto found = kept_.find(source);
  if (found == kept_.end() || found->second.prepared.count(owner) == 0) return;
  if (found->second.prepared.size() > 1) {
    unused.prepared.insert(found->second.prepared.extract(owner));
  } else {
    unused = std::move(found->second);
    kept_.erase(found);
  }
}

void KeptWeights::DropUnused() {
  Tensors unused;
  std::lock_guard<std::mutex> lock(mutex_);
  unused = TakeUnused();
}

KeptWeights::Tensors KeptWeights::TakeUnused() {
  Tensors unused;
  for (auto it = kept_.begin(); it != kept_.end();) {
    const auto next = std::next(it);
    if (IsUnused(it->second.source)) unused.insert(kept_.extract(it));
    it = next;
  }
  return unused;
}

}  // namespace kerasopt

extern "C" void KerasoptDropUnusedWeights() { kerasopt::KeptWeights::Get().DropUnused(); }
