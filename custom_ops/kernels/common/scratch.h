// Memory that a thread keeps from one kernel to the next, so that none is allocated in the steady
// state.

#ifndef KERASOPT_KERNELS_COMMON_SCRATCH_H_
#define KERASOPT_KERNELS_COMMON_SCRATCH_H_

#include <cstdint>

namespace kerasopt {

// At least `bytes` of this thread's scratch memory, aligned to cache lines, with readable room for
// a vector behind them; what it held is lost. One use at a time.
char* Scratch(int64_t bytes);

}  // namespace kerasopt

#endif  // KERASOPT_KERNELS_COMMON_SCRATCH_H_
