#include "kernels/weight_only/weight_only.h"

#include <algorithm>
#include <cmath>

#include "kernels/common/scratch.h"
#include "kernels/dispatch.h"

namespace kerasopt {
namespace {

// Rows that are prepared at once: a multiple of every tile's, and more only as far as they stay in
// the second-level cache.
constexpr int64_t kRowMultiple = 48, kBlockBytes = 256 * 1024;

int64_t BlockRows(const WeightOnlyProduct& p) {
  const int64_t fitting = kBlockBytes / (p.row_floats() * static_cast<int64_t>(sizeof(float)));
  return std::min(p.rows, std::max(fitting / kRowMultiple, int64_t{1}) * kRowMultiple);
}

// A sum of products with the weights themselves.
float SumOfWeights(const WeightOnlyProduct& p, int64_t row, int64_t column) {
  const int64_t parts = 8 / p.bits;
  float sum = 0.0f;
  for (int64_t k = 0; k < p.depth; ++k) {
    const int64_t run = k / p.group % p.scale_rows;
    const int64_t at = p.transposed ? column * p.depth + k : k * p.columns + column;
    const int64_t place = p.transposed ? column * p.scale_rows + run : run * p.columns + column;
    const int code = p.packed[at / parts] >> (at % parts * p.bits) & ((1 << p.bits) - 1);
    const int integer = code - (1 << (p.bits - 1)) - p.zero_point[place];
    sum += p.x[row * p.depth + k] * (static_cast<float>(integer) * p.scale[place]);
  }
  return sum;
}

// Sums of integers are no numbers where a value is infinite, and infinite where scales would have
// kept them from it.
void CorrectSums(const WeightOnlyProduct& p, int64_t step) {
  const int64_t first = step * p.step_columns();
  const int64_t last = std::min(first + p.step_columns(), p.columns);
  for (int64_t row = 0; row < p.rows; ++row) {
    float* out = p.out + row * p.out_stride;
    for (int64_t column = first; column < last; ++column) {
      if (!std::isfinite(out[column])) out[column] = SumOfWeights(p, row, column);
    }
  }
}

}  // namespace

void WeightOnlyMatMul(const WeightOnlyProduct& product, int64_t matrices,
                      const ParallelFor& parallel_for) {
  const MultiplyWeightOnly multiply = Kernels().weight_only;
  const int64_t steps = product.steps(), scales = product.columns * product.scale_rows;
  const int64_t bytes = product.depth * product.columns * product.bits / 8;
  const int64_t block_rows = BlockRows(product), tasks = matrices * steps;
  const int64_t blocks = (product.rows + block_rows - 1) / block_rows;
  const int64_t cost = block_rows * product.depth * product.step_columns() / 16;
  parallel_for.Run(blocks * tasks, cost, [&](int64_t begin, int64_t end) {
    const int64_t floats = block_rows * product.row_floats();
    float* scratch = reinterpret_cast<float*>(Scratch(floats * sizeof(float)));
    for (int64_t i = begin; i < end; ++i) {
      const int64_t first = i / tasks * block_rows, matrix = i % tasks / steps;
      WeightOnlyProduct one = product;
      one.rows = std::min(block_rows, product.rows - first);
      one.x += first * product.depth;
      one.packed += matrix * bytes;
      one.scale += matrix * scales;
      one.zero_point += matrix * scales;
      one.out += first * product.out_stride + matrix * product.columns;
      multiply(one, i % steps, scratch, i == begin || i % tasks == 0);
      CorrectSums(one, i % steps);
    }
  });
}

}  // namespace kerasopt
