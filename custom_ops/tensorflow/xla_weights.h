// The parts of a tensor of weights, for XLA; see op_weights.h.

#ifndef KERASOPT_TENSORFLOW_XLA_WEIGHTS_H_
#define KERASOPT_TENSORFLOW_XLA_WEIGHTS_H_

#include "kernels/gemm/packed_kernel.h"
#include "tensorflow/compiler/tf2xla/xla_op_kernel.h"
#include "xla/hlo/builder/xla_builder.h"

namespace kerasopt {

// The kernel of weights as (runs, depth, groups * columns), in s8, or in the 16 bits that it has.
xla::XlaOp Unpack(xla::XlaOp packed, const PackedShape& shape);

// Error unless the weights are those of such a kernel.
absl::Status CheckPacked(tensorflow::XlaOpKernelContext* context, const PackedShape& shape);

// The last vector of weights but `behind`, of 4 bytes a value.
xla::XlaOp Words(tensorflow::XlaOpKernelContext* context, int64_t behind, int64_t channels,
                 xla::PrimitiveType type);

// The multipliers of weights; 0 for what is none.
xla::XlaOp Multipliers(tensorflow::XlaOpKernelContext* context, int64_t channels);

}  // namespace kerasopt

#endif  // KERASOPT_TENSORFLOW_XLA_WEIGHTS_H_
