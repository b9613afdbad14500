// Pairs of tensors whose shapes broadcast, as NumPy's do.

#ifndef KERASOPT_KERNELS_COMMON_BROADCAST_H_
#define KERASOPT_KERNELS_COMMON_BROADCAST_H_

#include <algorithm>
#include <cstdint>
#include <vector>

#include "kernels/common/parallel_for.h"

namespace kerasopt {

// The shape that both broadcast to, or false if there is none.
bool BroadcastShape(const std::vector<int64_t>& shape0, const std::vector<int64_t>& shape1,
                    std::vector<int64_t>* shape);

// The sizes of axes, and how far apart the values along each lie.
struct Strided {
  std::vector<int64_t> shape, strides;

  // Of values side by side.
  explicit Strided(const std::vector<int64_t>& shape);
  // The same values with the axes in another order.
  Strided Permuted(const std::vector<int64_t>& order) const;
  // Without the last axes.
  Strided Without(size_t axes) const;
};

// The places of both operands' values. Axes along which both go on as before are one axis.
class BroadcastPair {
 public:
  // Of shapes that broadcast to one that is not empty, whose values lie side by side.
  BroadcastPair(const std::vector<int64_t>& shape0, const std::vector<int64_t>& shape1);
  // Of operands whose values along an axis are a stride apart.
  BroadcastPair(const Strided& operand0, const Strided& operand1);

  // Rows of `row_size()` values, along which an operand has a value for each, or one for all.
  int64_t rows() const { return rows_; }
  int64_t row_size() const { return row_.size; }
  bool repeats(int operand) const { return row_.strides[operand] == 0; }
  // Where a row begins in each operand.
  void FindRow(int64_t row, int64_t offsets[2]) const;
  // Where a value of the result comes from.
  void FindValue(int64_t index, int64_t offsets[2]) const;

 private:
  struct Axis {
    int64_t size, strides[2];
  };

  Axis row_ = {1, {1, 1}};
  std::vector<Axis> outer_;  // innermost first
  int64_t rows_ = 1;
};

// Calls body(x0, x1, count, out) on pieces of rows; `x0` and `x1` have `count` values.
template <typename T, typename Body>
void ForPairs(const T* x0, const T* x1, const BroadcastPair& pair, T* out,
              const ParallelFor& parallel_for, const Body& body) {
  // Enough to hide the start of a task, few enough to stay in the first-level cache.
  constexpr int64_t kPiece = 4096;
  const T* operands[2] = {x0, x1};
  const int64_t size = pair.row_size(), pieces = (size + kPiece - 1) / kPiece;
  parallel_for.Run(pair.rows() * pieces, std::min(size, kPiece), [&](int64_t begin, int64_t end) {
    T repeated[kPiece];
    for (int64_t i = begin; i < end; ++i) {
      const int64_t row = i / pieces, first = i % pieces * kPiece;
      const int64_t count = std::min(size - first, kPiece);
      int64_t offsets[2];
      pair.FindRow(row, offsets);
      const T* values[2];
      for (int j : {0, 1}) {
        values[j] = operands[j] + offsets[j] + (pair.repeats(j) ? 0 : first);
        if (!pair.repeats(j)) continue;
        std::fill_n(repeated, count, *values[j]);
        values[j] = repeated;
      }
      body(values[0], values[1], count, out + row * size + first);
    }
  });
}

}  // namespace kerasopt

#endif  // KERASOPT_KERNELS_COMMON_BROADCAST_H_
