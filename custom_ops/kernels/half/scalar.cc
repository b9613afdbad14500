#define KERASOPT_HALF_KERNELS kHalfScalar
#include "kernels/half/tiles.inc"
