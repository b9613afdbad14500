#define KERASOPT_WEIGHT_ONLY kWeightOnlyAvx512Vnni
#include "kernels/weight_only/tiles.inc"
