// Parallelism handed in by the caller: kernels own no threads.

#ifndef KERASOPT_KERNELS_PARALLEL_FOR_H_
#define KERASOPT_KERNELS_PARALLEL_FOR_H_

#include <cstdint>
#include <functional>

namespace kerasopt {

struct ParallelFor {
  using Body = std::function<void(int64_t begin, int64_t end)>;

  int threads;
  // Calls `body` on disjoint ranges that cover [0, total); `cost` is the cycles of one item.
  std::function<void(int64_t total, int64_t cost, const Body& body)> run;
};

}  // namespace kerasopt

#endif  // KERASOPT_KERNELS_PARALLEL_FOR_H_
