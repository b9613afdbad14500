#include "kernels/common/scratch.h"

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <new>

namespace kerasopt {
namespace {

constexpr int64_t kAlignment = 64;

struct Free {
  void operator()(char* memory) const { std::free(memory); }
};

struct Memory {
  std::unique_ptr<char, Free> data;
  int64_t bytes = 0;
};

thread_local Memory memory;

}  // namespace

char* Scratch(int64_t bytes) {
  const int64_t needed = (bytes + 2 * kAlignment - 1) / kAlignment * kAlignment;
  if (needed > memory.bytes) {
    memory.data.reset();
    memory.bytes = 0;
    const int64_t grown = std::max<int64_t>(needed, 1 << 16);
    memory.data.reset(static_cast<char*>(std::aligned_alloc(kAlignment, grown)));
    if (memory.data == nullptr) throw std::bad_alloc();
    memory.bytes = grown;
  }
  return memory.data.get();
}

}  // namespace kerasopt
