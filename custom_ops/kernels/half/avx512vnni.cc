#define KERASOPT_HALF_KERNELS kHalfAvx512Vnni
#include "kernels/half/tiles.inc"
