// Products of float32 rows with matrices of packed integers.

#ifndef KERASOPT_KERNELS_WEIGHT_ONLY_WEIGHT_ONLY_H_
#define KERASOPT_KERNELS_WEIGHT_ONLY_WEIGHT_ONLY_H_

#include "kernels/common/parallel_for.h"
#include "kernels/weight_only/table.h"

namespace kerasopt {

// With `matrices` matrices that follow each other, whose columns are side by side in `out`.
void WeightOnlyMatMul(const WeightOnlyProduct& product, int64_t matrices,
                      const ParallelFor& parallel_for);

}  // namespace kerasopt

#endif  // KERASOPT_KERNELS_WEIGHT_ONLY_WEIGHT_ONLY_H_
