#include "op_support.h"

#include <cmath>

#include "tensorflow/core/util/work_sharder.h"

namespace kerasopt {

using tensorflow::OpKernelConstruction;
using tensorflow::OpKernelContext;
using absl::Status;
using tensorflow::Tensor;

DeviceThreads::DeviceThreads(OpKernelContext* context)
    : workers_(*context->device()->tensorflow_cpu_worker_threads()) {}

int DeviceThreads::threads() const { return workers_.num_threads; }

void DeviceThreads::Run(int64_t total, int64_t cost, RangeBody body) const {
  tensorflow::Shard(workers_.num_threads, workers_.workers, total, cost,
                    [body](int64_t begin, int64_t end) { body(begin, end); });
}

Status GetIntegerAttr(OpKernelConstruction* context, const char* name, int64_t min, int64_t max,
                      int32_t* value) {
  int64_t attr;
  TF_RETURN_IF_ERROR(context->GetAttr(name, &attr));
  if (attr < min || attr > max) {
    return InvalidArgument(name, " must be from ", min, " to ", max, ". Received: ", name, "=", attr);
  }
  *value = static_cast<int32_t>(attr);
  return absl::OkStatus();
}

Status GetZeroPointsAndRange(OpKernelConstruction* context, ZeroPointsAndRange* value) {
  OutputRange& output = value->output;
  TF_RETURN_IF_ERROR(
      GetIntegerAttr(context, "input_zero_point", -128, 127, &value->input_zero_point));
  TF_RETURN_IF_ERROR(GetIntegerAttr(context, "output_zero_point", -128, 127, &output.zero_point));
  TF_RETURN_IF_ERROR(GetIntegerAttr(context, "output_min", -128, 127, &output.min));
  return GetIntegerAttr(context, "output_max", output.min, 127, &output.max);
}

Status CheckPositive(const char* name, const Tensor& tensor) {
  const auto values = tensor.flat<float>();
  for (int64_t i = 0; i < values.size(); ++i) {
    if (!(values(i) > 0.0f) || !std::isfinite(values(i))) {
      return InvalidArgument(name, " must be positive and finite. Received: ", name, "[", i,
                             "]=", values(i));
    }
  }
  return absl::OkStatus();
}

}  // namespace kerasopt
