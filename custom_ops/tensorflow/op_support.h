// What the CPU kernels share: threads, outputs and checks of input values.

#ifndef KERASOPT_TENSORFLOW_OP_SUPPORT_H_
#define KERASOPT_TENSORFLOW_OP_SUPPORT_H_

#include <vector>

#include "attributes.h"
#include "kernels/common/parallel_for.h"
#include "shape_checks.h"
#include "tensorflow/core/framework/op_kernel.h"

namespace kerasopt {

using absl::Status;
using tensorflow::OpKernel;
using tensorflow::OpKernelConstruction;
using tensorflow::OpKernelContext;
using tensorflow::Tensor;
using tensorflow::TensorShape;

// The thread pool of the device that an op runs on.
class DeviceThreads : public ParallelFor {
 public:
  explicit DeviceThreads(OpKernelContext* context);

  int threads() const override;
  void Run(int64_t total, int64_t cost, RangeBody body) const override;

 private:
  const tensorflow::DeviceBase::CpuWorkerThreads& workers_;
};

std::vector<int64_t> Dimensions(const Tensor& tensor);

// Allocates output 0. Sizes may be those of a tensor that nothing can hold.
Status AllocateOutput(OpKernelContext* context, const std::vector<int64_t>& shape, Tensor** y);

// Allocates the output of a product of the rows of x, of `depth` values, with a matrix of `columns`
// columns, and returns how many rows there are.
Status AllocateProduct(OpKernelContext* context, int64_t depth, int64_t columns, int64_t* rows,
                       Tensor** y);

// Error unless every value is positive and finite, and no subnormal number.
Status CheckPositive(const char* name, const Tensor& tensor);

}  // namespace kerasopt

#define KERASOPT_REGISTER_CPU(name, ...) \
  REGISTER_KERNEL_BUILDER(Name(name).Device(tensorflow::DEVICE_CPU), __VA_ARGS__)

// For the types that T may be.
#define KERASOPT_REGISTER_CPU_TYPES(name, op)                                                     \
  REGISTER_KERNEL_BUILDER(Name(name).Device(tensorflow::DEVICE_CPU).TypeConstraint<int8_t>("T"),  \
                          op<int8_t>);                                                            \
  REGISTER_KERNEL_BUILDER(Name(name).Device(tensorflow::DEVICE_CPU).TypeConstraint<int16_t>("T"), \
                          op<int16_t>)

#endif  // KERASOPT_TENSORFLOW_OP_SUPPORT_H_
