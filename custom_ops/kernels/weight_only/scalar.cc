#define KERASOPT_WEIGHT_ONLY kWeightOnlyScalar
#include "kernels/weight_only/tiles.inc"
