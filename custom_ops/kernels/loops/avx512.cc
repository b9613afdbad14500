#define KERASOPT_LOOPS kLoopsAvx512
#include "kernels/loops/loops.inc"
