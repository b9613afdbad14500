// The functions that exist once per instruction set, of all families. A table is filled by the
// translation units named after that instruction set, which contain nothing else: an inline
// function of the standard library compiled there could be merged with, and replace, the portable
// one.

#ifndef KERASOPT_KERNELS_KERNEL_TABLE_H_
#define KERASOPT_KERNELS_KERNEL_TABLE_H_

#include "kernels/binary/table.h"
#include "kernels/depthwise/table.h"
#include "kernels/elementwise/table.h"
#include "kernels/gemm/table.h"
#include "kernels/half/table.h"
#include "kernels/matrix_product/table.h"
#include "kernels/peak/peak.h"
#include "kernels/pooling/table.h"
#include "kernels/sparse/table.h"
#include "kernels/weight_only/table.h"

namespace kerasopt {

// Loops over contiguous values, which the compiler vectorizes.
struct LoopKernels {
  GemmLoops gemm;
  DepthwiseLoops depthwise;
  PairLoops pairs;
  FunctionLoops functions;
  QuantizationLoops quantization;
  PoolingLoops pooling;
  MultiplyPanelFunction multiply_panel;
  SignBitsFunction sign_bits;
};

struct KernelTable {
  const char* name;
  GemmKernel gemm;
  LoopKernels loops;
  SparseKernels sparse;
  MultiplyBinary binary;
  HalfKernels half;
  MultiplyWeightOnly weight_only;
  const DepthwiseKernel* depthwise;  // or nullptr
  PeakFunction peak_products;        // or nullptr
};

extern const LoopKernels kLoopsScalar;
#ifdef KERASOPT_X86
extern const LoopKernels kLoopsAvx2;
extern const LoopKernels kLoopsAvx512;
#endif

}  // namespace kerasopt

#endif  // KERASOPT_KERNELS_KERNEL_TABLE_H_
