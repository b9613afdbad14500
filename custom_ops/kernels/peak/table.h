// See peak.h.

#ifndef KERASOPT_KERNELS_PEAK_TABLE_H_
#define KERASOPT_KERNELS_PEAK_TABLE_H_

#include <cstdint>

namespace kerasopt {

using PeakFunction = int64_t (*)(int64_t steps);

#ifdef KERASOPT_X86
int64_t PeakProductsAvx2(int64_t steps);
int64_t PeakProductsAvx512Vnni(int64_t steps);
#endif

}  // namespace kerasopt

#endif  // KERASOPT_KERNELS_PEAK_TABLE_H_
