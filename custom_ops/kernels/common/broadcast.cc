#include "kernels/common/broadcast.h"

namespace kerasopt {
namespace {

// The entry `i` from behind.
int64_t FromBehind(const std::vector<int64_t>& entries, size_t i) {
  return i < entries.size() ? entries[entries.size() - 1 - i] : 1;
}

}  // namespace

bool BroadcastShape(const std::vector<int64_t>& shape0, const std::vector<int64_t>& shape1,
                    std::vector<int64_t>* shape) {
  const size_t rank = std::max(shape0.size(), shape1.size());
  shape->assign(rank, 1);
  for (size_t i = 0; i < rank; ++i) {
    const int64_t size0 = FromBehind(shape0, i), size1 = FromBehind(shape1, i);
    if (size0 != size1 && size0 != 1 && size1 != 1) return false;
    (*shape)[rank - 1 - i] = size0 == 1 ? size1 : size0;
  }
  return true;
}

Strided::Strided(const std::vector<int64_t>& shape) : shape(shape), strides(shape.size()) {
  int64_t values = 1;  // of the axes so far
  for (size_t i = shape.size(); i-- > 0; values *= shape[i]) strides[i] = values;
}

Strided Strided::Permuted(const std::vector<int64_t>& order) const {
  Strided permuted(*this);
  for (size_t i = 0; i < order.size(); ++i) {
    permuted.shape[i] = shape[order[i]];
    permuted.strides[i] = strides[order[i]];
  }
  return permuted;
}

Strided Strided::Without(size_t axes) const {
  Strided rest(*this);
  rest.shape.resize(shape.size() - axes);
  rest.strides.resize(shape.size() - axes);
  return rest;
}

BroadcastPair::BroadcastPair(const std::vector<int64_t>& shape0, const std::vector<int64_t>& shape1)
    : BroadcastPair(Strided(shape0), Strided(shape1)) {}

BroadcastPair::BroadcastPair(const Strided& operand0, const Strided& operand1) {
  const Strided* operands[2] = {&operand0, &operand1};
  std::vector<Axis> axes;
  for (size_t i = 0; i < std::max(operand0.shape.size(), operand1.shape.size()); ++i) {
    Axis axis = {1, {0, 0}};
    for (int j : {0, 1}) {
      const int64_t size = FromBehind(operands[j]->shape, i);
      if (size == 1) continue;
      axis.size = size;
      axis.strides[j] = FromBehind(operands[j]->strides, i);
    }
    if (axis.size == 1) continue;
    const bool goes_on = !axes.empty() &&
                         axis.strides[0] == axes.back().strides[0] * axes.back().size &&
                         axis.strides[1] == axes.back().strides[1] * axes.back().size;
    if (goes_on) {
      axes.back().size *= axis.size;
    } else {
      axes.push_back(axis);
    }
  }
  if (axes.empty()) return;
  row_ = axes.front();
  outer_.assign(axes.begin() + 1, axes.end());
  for (const Axis& axis : outer_) rows_ *= axis.size;
}

void BroadcastPair::FindRow(int64_t row, int64_t offsets[2]) const {
  offsets[0] = offsets[1] = 0;
  for (const Axis& axis : outer_) {
    const int64_t index = row % axis.size;
    row /= axis.size;
    for (int j : {0, 1}) offsets[j] += index * axis.strides[j];
  }
}

void BroadcastPair::FindValue(int64_t index, int64_t offsets[2]) const {
  FindRow(index / row_.size, offsets);
  for (int j : {0, 1}) offsets[j] += index % row_.size * row_.strides[j];
}

}  // namespace kerasopt
