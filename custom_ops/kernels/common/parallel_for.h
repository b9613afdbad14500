// Parallelism handed in by the caller: kernels own no threads.

#ifndef KERASOPT_KERNELS_COMMON_PARALLEL_FOR_H_
#define KERASOPT_KERNELS_COMMON_PARALLEL_FOR_H_

#include <cstdint>

namespace kerasopt {

// A reference to a function of a range: unlike std::function it allocates nothing.
class RangeBody {
 public:
  template <typename Body>
  RangeBody(const Body& body)  // NOLINT: converts as std::function does
      : body_(&body), call_([](const void* object, int64_t begin, int64_t end) {
          (*static_cast<const Body*>(object))(begin, end);
        }) {}

  void operator()(int64_t begin, int64_t end) const { call_(body_, begin, end); }

 private:
  const void* body_;
  void (*call_)(const void*, int64_t, int64_t);
};

class ParallelFor {
 public:
  virtual ~ParallelFor() = default;

  virtual int threads() const = 0;
  // Calls `body` on disjoint ranges, none empty, that cover [0, total); an item costs
  // `cost` cycles.
  virtual void Run(int64_t total, int64_t cost, RangeBody body) const = 0;
};

}  // namespace kerasopt

#endif  // KERASOPT_KERNELS_COMMON_PARALLEL_FOR_H_
