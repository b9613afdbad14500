// What the CPU kernels share: threads, outputs and checks of input values.

#ifndef KERASOPT_TENSORFLOW_OP_SUPPORT_H_
#define KERASOPT_TENSORFLOW_OP_SUPPORT_H_

#include <vector>

#include "attributes.h"
#include "kernels/common/parallel_for.h"
#include "shape_checks.h"
#include "tensorflow/core/framework/op_kernel.h"

namespace kerasopt {

// The thread pool of the device that an op runs on.
class DeviceThreads : public ParallelFor {
 public:
  explicit DeviceThreads(tensorflow::OpKernelContext* context);

  int threads() const override;
  void Run(int64_t total, int64_t cost, RangeBody body) const override;

 private:
  const tensorflow::DeviceBase::CpuWorkerThreads& workers_;
};

std::vector<int64_t> Dimensions(const tensorflow::Tensor& tensor);

// Allocates output 0. Sizes may be those of a tensor that nothing can hold.
absl::Status AllocateOutput(tensorflow::OpKernelContext* context,
                            const std::vector<int64_t>& shape, tensorflow::Tensor** y);

// Allocates the output of a product of the rows of x, of `depth` values, with a matrix of `columns`
// columns, and returns how many rows there are.
absl::Status AllocateProduct(tensorflow::OpKernelContext* context, int64_t depth, int64_t columns,
                             int64_t* rows, tensorflow::Tensor** y);

// Error unless every value is positive and finite, and no subnormal number.
absl::Status CheckPositive(const char* name, const tensorflow::Tensor& tensor);

}  // namespace kerasopt

#define KERASOPT_REGISTER_CPU(name, ...) \
  REGISTER_KERNEL_BUILDER(Name(name).Device(tensorflow::DEVICE_CPU), __VA_ARGS__)

// For the types that T may be.
#define KERASOPT_REGISTER_CPU_TYPES(name, op)                                                  \
  REGISTER_KERNEL_BUILDER(Name(name).Device(tensorflow::DEVICE_CPU).TypeConstraint<int8_t>("T"), \
                          op<int8_t>);                                                         \
  REGISTER_KERNEL_BUILDER(                                                                     \
      Name(name).Device(tensorflow::DEVICE_CPU).TypeConstraint<int16_t>("T"), op<int16_t>)

#endif  // KERASOPT_TENSORFLOW_OP_SUPPORT_H_
