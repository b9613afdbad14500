#define KERASOPT_SPARSE_KERNELS kSparseScalar
#include "kernels/sparse/tiles.inc"
