#include "op_weights.h"

#include "kernels/dispatch.h"

namespace kerasopt {
namespace {

bool IsSame(const PackedShape& a, const PackedShape& b) {
  return a.groups == b.groups && a.runs == b.runs && a.depth == b.depth &&
         a.columns == b.columns && a.format == b.format;
}

}  // namespace

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

Status GetPackedKernel(const Tensor& tensor, const PackedShape& shape, int32_t input_zero_point,
                       Cache<PackedKernel>* cache, std::shared_ptr<const PackedKernel>* kernel) {
  const KernelTable& kernels = Kernels();
  return cache->Get(
      tensor,
      [&](const PackedKernel& known) {
        return &known.kernels() == &kernels && IsSame(known.shape(), shape);
      },
      [&](std::shared_ptr<const PackedKernel>* prepared) {
        Weights<int32_t> weights;
        TF_RETURN_IF_ERROR(weights.Init(tensor, shape.bytes(), shape.groups * shape.columns));
        *prepared =
            std::make_shared<const PackedKernel>(kernels, shape, weights.kernel(), weights.bias(),
                                                 weights.multiplier(), input_zero_point);
        return absl::OkStatus();
      },
      kernel);
}

}  // namespace kerasopt
