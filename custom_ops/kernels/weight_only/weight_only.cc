#include "kernels/weight_only/weight_only.h"

#include "kernels/common/scratch.h"
#include "kernels/dispatch.h"

namespace kerasopt {

void WeightOnlyMatMul(const WeightOnlyProduct& product, int64_t matrices,
                      const ParallelFor& parallel_for) {
  const MultiplyWeightOnly multiply = Kernels().weight_only;
  const int64_t steps = product.steps(), scales = product.columns * product.scale_rows;
  const int64_t bytes = product.depth * product.columns * product.bits / 8;
  const int64_t cost = product.rows * product.depth * product.step_columns() / 16;
  parallel_for.Run(matrices * steps, cost, [&](int64_t begin, int64_t end) {
    const int64_t floats = product.rows * product.row_floats();
    float* scratch = reinterpret_cast<float*>(Scratch(floats * sizeof(float)));
    for (int64_t i = begin; i < end; ++i) {
      const int64_t matrix = i / steps;
      WeightOnlyProduct one = product;
      one.packed += matrix * bytes;
      one.scale += matrix * scales;
      one.zero_point += matrix * scales;
      one.out += matrix * product.columns;
      multiply(one, i % steps, scratch, i == begin);
    }
  });
}

}  // namespace kerasopt
