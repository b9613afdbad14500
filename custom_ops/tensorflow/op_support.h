// What the CPU kernels share: threads, attributes and checks of input values.

#ifndef KERASOPT_TENSORFLOW_OP_SUPPORT_H_
#define KERASOPT_TENSORFLOW_OP_SUPPORT_H_

#include <string>

#include "kernels/gemm.h"
#include "kernels/parallel_for.h"
#include "invalid_argument.h"
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

// Reads an integer attribute and checks that it is in [min, max].
absl::Status GetIntegerAttr(tensorflow::OpKernelConstruction* context, const char* name,
                                  int64_t min, int64_t max, int32_t* value);

// What the attributes of KERASOPT_OUTPUT_ATTRS say.
struct ZeroPointsAndRange {
  int32_t input_zero_point;
  OutputRange output;
};
absl::Status GetZeroPointsAndRange(tensorflow::OpKernelConstruction* context,
                                   ZeroPointsAndRange* value);

// Error unless every value is positive and finite.
absl::Status CheckPositive(const char* name, const tensorflow::Tensor& tensor);

}  // namespace kerasopt

#endif  // KERASOPT_TENSORFLOW_OP_SUPPORT_H_
