#define KERASOPT_LOOPS kLoopsAvx2
#include "kernels/loops/loops.inc"
