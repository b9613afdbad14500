#define KERASOPT_HALF_KERNELS kHalfScalar
#include "kernels/half_tiles.inc"
