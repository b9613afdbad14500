#include "kernels/elementwise/functions.h"

#include <algorithm>

#include "kernels/common/scratch.h"
#include "kernels/dispatch.h"

namespace kerasopt {

void LookUp(const int8_t* x, int64_t count, const int8_t* table, int8_t* out,
            const ParallelFor& parallel_for) {
  // Large enough for the preparation of the table not to count.
  constexpr int64_t kPiece = 8192;
  const FunctionLoops& loops = Kernels().loops.functions;
  parallel_for.Run((count + kPiece - 1) / kPiece, kPiece / 4, [&](int64_t begin, int64_t end) {
    const int64_t first = begin * kPiece, size = std::min(end * kPiece, count) - first;
    loops.look_up(x + first, size, table, out + first);
  });
}

void QuantizedSoftmax(const int8_t* x, int64_t rows, int64_t size, const int32_t* exponentials,
                      int8_t* out, const ParallelFor& parallel_for) {
  const FunctionLoops& loops = Kernels().loops.functions;
  parallel_for.Run(rows, 3 * size, [&](int64_t begin, int64_t end) {
    int32_t* powers = reinterpret_cast<int32_t*>(Scratch(size * sizeof(int32_t)));
    for (int64_t row = begin; row < end; ++row) {
      loops.softmax(x + row * size, size, exponentials, powers, out + row * size);
    }
  });
}

void QuantizedLayerNormalization(const int8_t* x, int64_t rows, int64_t size,
                                 const Normalization& normalization, int8_t* out,
                                 const ParallelFor& parallel_for) {
  const FunctionLoops& loops = Kernels().loops.functions;
  parallel_for.Run(rows, 2 * size, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      loops.normalize(x + row * size, size, normalization, out + row * size);
    }
  });
}

}  // namespace kerasopt
