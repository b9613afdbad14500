#include "kernels/matrix_product/matrix_product.h"

#include "kernels/common/scratch.h"
#include "kernels/dispatch.h"

namespace kerasopt {

void QuantizedBatchMatMul(const MatrixProduct& product, const BroadcastPair& batch, int8_t* out,
                          const ParallelFor& parallel_for) {
  const MultiplyPanelFunction multiply_panel = Kernels().loops.multiply_panel;
  const int64_t panels = (product.columns + kMatrixColumns - 1) / kMatrixColumns;
  const int64_t cost = (product.rows + 4) * (product.depth / 2 + 16);
  parallel_for.Run(batch.rows() * batch.row_size() * panels, cost, [&](int64_t begin, int64_t end) {
    int16_t* scratch =
        reinterpret_cast<int16_t*>(Scratch(product.scratch_size() * sizeof(int16_t)));
    for (int64_t i = begin; i < end; ++i) {
      const int64_t matrix = i / panels;
      int64_t places[2];
      batch.FindValue(matrix, places);
      MatrixProduct one = product;
      one.x0 += places[0];
      one.x1 += places[1];
      multiply_panel(one, i % panels * kMatrixColumns, scratch,
                     out + matrix * product.rows * product.columns);
    }
  });
}

}  // namespace kerasopt
