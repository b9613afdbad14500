#include "op_weights.h"

namespace kerasopt {

using absl::Status;
using tensorflow::OpKernelConstruction;
using tensorflow::Tensor;

Status GetKernelShape(OpKernelConstruction* context, size_t rank, std::vector<int64_t>* shape) {
  TF_RETURN_IF_ERROR(context->GetAttr("kernel_shape", shape));
  for (int64_t size : *shape) {
    if (size < 1) return InvalidArgument("kernel must have no empty axis. Received: size ", size);
  }
  if (shape->size() == rank) return absl::OkStatus();
  return InvalidArgument("kernel must have rank ", rank, ". Received: rank ", shape->size());
}

bool IsSame(const PackedShape& a, const PackedShape& b) {
  return a.groups == b.groups && a.runs == b.runs && a.depth == b.depth &&
         a.columns == b.columns && a.format == b.format;
}

}  // namespace kerasopt
