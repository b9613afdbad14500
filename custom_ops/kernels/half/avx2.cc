#define KERASOPT_HALF_KERNELS kHalfAvx2
#include "kernels/half/tiles.inc"
