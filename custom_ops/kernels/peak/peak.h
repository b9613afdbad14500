// The speed that the multiply instruction of an instruction set has by itself, which the products
// of matrices are measured against.

#ifndef KERASOPT_KERNELS_PEAK_PEAK_H_
#define KERASOPT_KERNELS_PEAK_PEAK_H_

#include <cstdint>

namespace kerasopt {

using PeakFunction = int64_t (*)(int64_t steps);

#ifdef KERASOPT_X86
int64_t PeakProductsAvx2(int64_t steps);
int64_t PeakProductsAvx512Vnni(int64_t steps);
#endif

}  // namespace kerasopt

// Multiplies int8 vectors in registers, without memory, `steps` times as many as hide the latency.
// Returns the number of products, or 0 if the instruction set in use has no vectors.
extern "C" int64_t KerasoptPeakProducts(int64_t steps);

#endif  // KERASOPT_KERNELS_PEAK_PEAK_H_
