#define KERASOPT_LOOPS kLoopsScalar
#include "kernels/loops.inc"
