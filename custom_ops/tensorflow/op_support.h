// What the CPU kernels share: threads, attributes and checks of input values.

#ifndef KERASOPT_TENSORFLOW_OP_SUPPORT_H_
#define KERASOPT_TENSORFLOW_OP_SUPPORT_H_

#include <string>

#include "kernels/gemm.h"
#include "kernels/parallel_for.h"
#include "invalid_argument.h"
#include "tensorflow/core/framework/op_kernel.h"

namespace kerasopt {

// Runs on the thread pool of the device that the op runs on.
ParallelFor ParallelForOf(tensorflow::OpKernelContext* context);

// Reads an integer attribute and checks that it is in [min, max].
absl::Status GetIntegerAttr(tensorflow::OpKernelConstruction* context, const char* name,
                                  int64_t min, int64_t max, int32_t* value);

// Reads the attributes of KERASOPT_OUTPUT_ATTRS; bias and multiplier stay unset.
absl::Status GetOutputQuantization(tensorflow::OpKernelConstruction* context,
                                         OutputQuantization* quantization);

// Error unless the tensor has the shape (size,).
absl::Status CheckVector(const char* name, const tensorflow::Tensor& tensor, int64_t size);

// Error unless every value is positive and finite.
absl::Status CheckPositive(const char* name, const tensorflow::Tensor& tensor);

}  // namespace kerasopt

#endif  // KERASOPT_TENSORFLOW_OP_SUPPORT_H_
