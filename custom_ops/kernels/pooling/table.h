// The functions that each instruction set has for pooling.

#ifndef KERASOPT_KERNELS_POOLING_TABLE_H_
#define KERASOPT_KERNELS_POOLING_TABLE_H_

#include <cstdint>

#include "kernels/common/sums.h"

namespace kerasopt {

// Averages and maxima of `count` pixels, at least 1, of `channels` values each.
struct PoolingLoops {
  void (*average)(const int8_t* const* pixels, int64_t count, int64_t channels,
                  const SumParameters& parameters, int8_t* out);
  void (*largest)(const int8_t* const* pixels, int64_t count, int64_t channels, int8_t* out);
};

}  // namespace kerasopt

#endif  // KERASOPT_KERNELS_POOLING_TABLE_H_
