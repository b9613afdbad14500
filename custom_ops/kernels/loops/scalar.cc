#define KERASOPT_LOOPS kLoopsScalar
#include "kernels/loops/loops.inc"
