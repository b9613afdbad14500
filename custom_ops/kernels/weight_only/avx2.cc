#define KERASOPT_WEIGHT_ONLY kWeightOnlyAvx2
#include "kernels/weight_only/tiles.inc"
