#include "op_support.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>
#include <memory>
#include <thread>

#include "tensorflow/core/lib/core/threadpool.h"

namespace kerasopt {
namespace {

// A thread takes as many items at once: far more than it costs to take them.
constexpr int64_t kChunkCycles = 20000;
// To wake a helper takes the thread that has the work about half as many.
constexpr int64_t kHelperCycles = 30000;

// Items that threads take as they come. A thread of the pool may wake up late, so the one that has
// the work begins at once, and waits only for what others have begun.
class SharedWork {
 public:
  SharedWork(int64_t total, int64_t items, RangeBody body)
      : total_(total), items_(items), body_(body) {}

  // A helper that finds nothing left does not touch the body, which may be gone.
  void Help() {
    for (;;) {
      const int64_t begin = next_.fetch_add(items_, std::memory_order_relaxed);
      if (begin >= total_) return;
      const int64_t end = std::min(begin + items_, total_);
      body_(begin, end);
      done_.fetch_add(end - begin, std::memory_order_release);
    }
  }

  void Wait() const {
    while (done_.load(std::memory_order_acquire) < total_) std::this_thread::yield();
  }

 private:
  const int64_t total_, items_;
  const RangeBody body_;
  std::atomic<int64_t> next_{0}, done_{0};
};

}  // namespace

DeviceThreads::DeviceThreads(OpKernelContext* context)
    : workers_(*context->device()->tensorflow_cpu_worker_threads()) {}

int DeviceThreads::threads() const { return workers_.num_threads; }

void DeviceThreads::Run(int64_t total, int64_t cost, RangeBody body) const {
  cost = std::max<int64_t>(cost, 1);
  const auto items_of = [&](int64_t cycles) { return std::max<int64_t>(cycles / cost, 1); };
  const int64_t items = items_of(kChunkCycles), shares = total / items_of(kHelperCycles);
  const int64_t helpers = std::min<int64_t>(workers_.num_threads, shares) - 1;
  if (helpers < 1) return body(0, total);
  const auto work = std::make_shared<SharedWork>(total, items, body);
  for (int64_t i = 0; i < helpers; ++i) workers_.workers->Schedule([work] { work->Help(); });
  work->Help();
  work->Wait();
}

Status AllocateOutput(OpKernelContext* context, const std::vector<int64_t>& shape, Tensor** y) {
  TensorShape y_shape;
  TF_RETURN_IF_ERROR(TensorShape::BuildTensorShape(shape, &y_shape));
  return context->allocate_output(0, y_shape, y);
}

std::vector<int64_t> Dimensions(const Tensor& tensor) {
  const auto sizes = tensor.shape().dim_sizes();
  return std::vector<int64_t>(sizes.begin(), sizes.end());
}

Status AllocateProduct(OpKernelContext* context, int64_t depth, int64_t columns, int64_t* rows,
                       Tensor** y) {
  const Tensor& x = context->input(0);
  TF_RETURN_IF_ERROR(CheckRows(x.shape(), depth));
  *rows = x.NumElements() / depth;
  std::vector<int64_t> shape = Dimensions(x);
  shape.back() = columns;
  return AllocateOutput(context, shape, y);
}

Status CheckPositive(const char* name, const Tensor& tensor) {
  const auto values = tensor.flat<float>();
  for (int64_t i = 0; i < values.size(); ++i) {
    if (!(values(i) >= std::numeric_limits<float>::min()) || !std::isfinite(values(i))) {
      return InvalidArgument(name, " must be positive and finite. Received: ", name, "[", i,
                             "]=", values(i));
    }
  }
  return absl::OkStatus();
}

}  // namespace kerasopt
