// What the CPU kernels share: threads, attributes and checks of input values.

#ifndef KERASOPT_TENSORFLOW_OP_SUPPORT_H_
#define KERASOPT_TENSORFLOW_OP_SUPPORT_H_

#include <string>
#include <vector>

#include "kernels/gemm.h"
#include "kernels/image_lines.h"
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

// Allocates the output of a product of the rows of x, of `depth` values, with a matrix of `columns`
// columns, and returns how many rows there are.
absl::Status AllocateProduct(tensorflow::OpKernelContext* context, int64_t depth, int64_t columns,
                             int64_t* rows, tensorflow::Tensor** y);

// Reads an integer attribute and checks that it is in [min, max].
absl::Status GetIntegerAttr(tensorflow::OpKernelConstruction* context, const char* name,
                                  int64_t min, int64_t max, int32_t* value);

// Reads a float attribute and checks that it is positive and finite.
absl::Status GetPositiveAttr(tensorflow::OpKernelConstruction* context, const char* name,
                             float* value);

// What the attributes of KERASOPT_OUTPUT_ATTRS say.
struct ZeroPointsAndRange {
  int32_t input_zero_point;
  OutputRange output;
};
absl::Status GetZeroPointsAndRange(tensorflow::OpKernelConstruction* context,
                                   ZeroPointsAndRange* value);

// Reads the paddings of height and width from the attributes of KERASOPT_WINDOW_ATTRS.
template <typename Context>
absl::Status GetPaddings(Context* context, Padding paddings[2]) {
  constexpr int64_t kMost = 1 << 20;
  std::string padding;
  std::vector<int64_t> pads;
  TF_RETURN_IF_ERROR(context->GetAttr("padding", &padding));
  TF_RETURN_IF_ERROR(context->GetAttr("pads", &pads));
  if (pads.size() != 4) return InvalidArgument("pads must have four values");
  for (int64_t width : pads) {
    if (width < 0 || width > kMost || (padding == "same" && width > 0)) {
      return InvalidArgument("pads must be from 0 to ", kMost,
                             ", and 0 with 'same' padding. Received: ", width);
    }
  }
  for (int axis : {0, 1}) paddings[axis] = {padding == "same", pads[2 * axis], pads[2 * axis + 1]};
  return absl::OkStatus();
}

// Error unless every value is positive and finite.
absl::Status CheckPositive(const char* name, const tensorflow::Tensor& tensor);

}  // namespace kerasopt

#define KERASOPT_REGISTER_CPU(name, ...) \
  REGISTER_KERNEL_BUILDER(Name(name).Device(tensorflow::DEVICE_CPU), __VA_ARGS__)

#endif  // KERASOPT_TENSORFLOW_OP_SUPPORT_H_
