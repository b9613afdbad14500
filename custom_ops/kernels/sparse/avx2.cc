#define KERASOPT_SPARSE_KERNELS kSparseAvx2
#include "kernels/sparse/tiles.inc"
