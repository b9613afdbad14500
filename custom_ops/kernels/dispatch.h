// Which instruction set's kernels run: the best that the CPU has, chosen once.

#ifndef KERASOPT_KERNELS_DISPATCH_H_
#define KERASOPT_KERNELS_DISPATCH_H_

#include "kernels/kernel_table.h"

namespace kerasopt {

// The kernels in use. The environment variable KERASOPT_ISA (scalar, avx2, avxvnni, avx512vnni,
// neondot), read at the first call, forces a lesser instruction set; an unknown or unsupported name
// is ignored.
const KernelTable& Kernels();

}  // namespace kerasopt

// Switches to another instruction set; false if it is unknown or the CPU lacks it. For tests.
extern "C" bool KerasoptSelectInstructionSet(const char* name);

#endif  // KERASOPT_KERNELS_DISPATCH_H_
