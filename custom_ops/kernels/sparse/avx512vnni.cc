#define KERASOPT_SPARSE_KERNELS kSparseAvx512Vnni
#include "kernels/sparse/tiles.inc"
