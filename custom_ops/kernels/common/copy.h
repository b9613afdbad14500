// How values of an image or of a matrix are written to scratch memory.

#ifndef KERASOPT_KERNELS_COMMON_COPY_H_
#define KERASOPT_KERNELS_COMMON_COPY_H_

#include <algorithm>
#include <cstdint>
#include <cstring>

namespace kerasopt {

struct Copy {
  int source_bytes, value_bytes;  // of a value before and after
  void (*convert)(const void* x, int64_t count, void* out);
  void (*fill)(int8_t x, int64_t count, void* out);
};

// Values as they are.
template <typename T>
constexpr Copy kPlainCopy = {
    sizeof(T), sizeof(T),
    [](const void* x, int64_t count, void* out) { std::memcpy(out, x, count * sizeof(T)); },
    [](int8_t x, int64_t count, void* out) { std::fill_n(static_cast<T*>(out), count, T(x)); }};

}  // namespace kerasopt

#endif  // KERASOPT_KERNELS_COMMON_COPY_H_
