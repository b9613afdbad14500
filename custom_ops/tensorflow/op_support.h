// What the CPU kernels share: threads, attributes and checks of input values.

#ifndef KERASOPT_TENSORFLOW_OP_SUPPORT_H_
#define KERASOPT_TENSORFLOW_OP_SUPPORT_H_

#include <limits>
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
// T is int8_t, or int16_t, whose zero points are 0.
template <typename T>
absl::Status GetZeroPoint(tensorflow::OpKernelConstruction* context, const char* name,
                          int32_t* value) {
  const bool is_int8 = sizeof(T) == 1;
  return GetIntegerAttr(context, name, is_int8 ? -128 : 0, is_int8 ? 127 : 0, value);
}
template <typename T>
absl::Status GetRange(tensorflow::OpKernelConstruction* context, int32_t* min, int32_t* max) {
  constexpr int64_t kMin = std::numeric_limits<T>::min(), kMax = std::numeric_limits<T>::max();
  TF_RETURN_IF_ERROR(GetIntegerAttr(context, "output_min", kMin, kMax, min));
  return GetIntegerAttr(context, "output_max", *min, kMax, max);
}
template <typename T>
absl::Status GetZeroPointsAndRange(tensorflow::OpKernelConstruction* context,
                                   ZeroPointsAndRange* value) {
  OutputRange& output = value->output;
  TF_RETURN_IF_ERROR(GetZeroPoint<T>(context, "input_zero_point", &value->input_zero_point));
  TF_RETURN_IF_ERROR(GetZeroPoint<T>(context, "output_zero_point", &output.zero_point));
  return GetRange<T>(context, &output.min, &output.max);
}

// Error if so many products of int16 and int8 values may leave the range of their sums.
template <typename T>
absl::Status CheckProducts(int64_t products, int64_t most) {
  if (sizeof(T) == 1 || products <= most) return absl::OkStatus();
  return InvalidArgument("A sum of int16 values times weights must have up to ", most,
                         " products. Received: ", products);
}

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

// For the types that T may be.
#define KERASOPT_REGISTER_CPU_TYPES(name, op)                                                  \
  REGISTER_KERNEL_BUILDER(Name(name).Device(tensorflow::DEVICE_CPU).TypeConstraint<int8_t>("T"), \
                          op<int8_t>);                                                         \
  REGISTER_KERNEL_BUILDER(                                                                     \
      Name(name).Device(tensorflow::DEVICE_CPU).TypeConstraint<int16_t>("T"), op<int16_t>)

#endif  // KERASOPT_TENSORFLOW_OP_SUPPORT_H_
