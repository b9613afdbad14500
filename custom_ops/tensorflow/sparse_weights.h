// The parts of a tensor of sparse weights, in the order of kerasopt/ops/sparse_weights.py: values,
// ends, biases, the multipliers of int8, rows.

#ifndef KERASOPT_TENSORFLOW_SPARSE_WEIGHTS_H_
#define KERASOPT_TENSORFLOW_SPARSE_WEIGHTS_H_

#include <cstring>
#include <type_traits>
#include <vector>

#include "kernels/sparse/sparse_kernel.h"
#include "op_weights.h"
#include "tensorflow/core/framework/tensor.h"

namespace kerasopt {

// Reads the shape of a sparse kernel from the attributes of KERASOPT_SPARSE.
template <typename Context>
Status GetSparseShape(Context* context, int64_t element_inputs, SparseShape* shape) {
  std::vector<int64_t> kernel;
  TF_RETURN_IF_ERROR(GetKernelShape(context, 2, &kernel));
  *shape = {kernel[0], kernel[1], element_inputs, 0, 0};
  TF_RETURN_IF_ERROR(context->GetAttr("block_columns", &shape->block_columns));
  TF_RETURN_IF_ERROR(context->GetAttr("entries", &shape->entries));
  if (shape->block_columns != 1 && shape->block_columns != 4) {
    return InvalidArgument("block_columns must be 1 or 4. Received: ", shape->block_columns);
  }
  if (shape->elements() > kMostElements || shape->entries < 0 ||
      shape->entries > shape->elements() * shape->blocks()) {
    return InvalidArgument("A sparse kernel has at most ", kMostElements,
                           " elements in a column, and no more entries than a dense one. "
                           "Received: ",
                           shape->elements(), " elements, ", shape->entries, " entries");
  }
  return absl::OkStatus();
}

// Offsets of the parts, in bytes.
struct SparseLayout {
  SparseLayout(const SparseShape& shape, bool has_multiplier)
      : ends(shape.value_bytes()),
        bias(ends + shape.blocks() * 4),
        multiplier(bias + shape.columns * 4),
        rows(multiplier + (has_multiplier ? shape.columns * 4 : 0)),
        size(rows + shape.entries * 2) {}

  int64_t ends, bias, multiplier, rows, size;
};

// `Bias` is int32_t for int8 weights, float for float32 ones. Vectors are padded to whole blocks.
template <typename Bias>
struct SparseWeights {
  SparseEntries entries;
  std::vector<Bias> bias;
  std::vector<float> multiplier;

  Status Init(const Tensor& tensor, const SparseShape& shape) {
    constexpr bool kHasMultiplier = std::is_same<Bias, int32_t>::value;
    const SparseLayout layout(shape, kHasMultiplier);
    TF_RETURN_IF_ERROR(CheckWeights(tensor.shape(), layout.size));
    const int8_t* data = tensor.flat<int8_t>().data();
    if (reinterpret_cast<uintptr_t>(data) % alignof(uint32_t) != 0) {
      return InvalidArgument("weights must be aligned to 4 bytes");
    }
    entries = {reinterpret_cast<const uint32_t*>(data + layout.ends),
               reinterpret_cast<const uint16_t*>(data + layout.rows), data};
    if (!IsConsistent(shape, entries)) {
      return InvalidArgument(
          "weights must have entries inside of the kernel, in the order of its "
          "columns: they are damaged");
    }
    bias.assign(shape.blocks() * shape.block_columns, Bias{0});
    std::memcpy(bias.data(), data + layout.bias, shape.columns * sizeof(Bias));
    if (!kHasMultiplier) return absl::OkStatus();
    multiplier.resize(shape.columns);
    std::memcpy(multiplier.data(), data + layout.multiplier, shape.columns * sizeof(float));
    for (int64_t i = 0; i < shape.columns; ++i) {
      if (!IsPositive(multiplier[i])) {
        return InvalidArgument("multiplier must be positive and finite. Received: multiplier[", i,
                               "]=", multiplier[i]);
      }
    }
    return absl::OkStatus();
  }
};

}  // namespace kerasopt

#endif  // KERASOPT_TENSORFLOW_SPARSE_WEIGHTS_H_
