// CPU kernels of the sparse matrix multiplications.

#include "kernels/dispatch.h"
#include "kernels/sparse/sparse_matmul.h"
#include "op_weights.h"
#include "sparse_weights.h"

namespace kerasopt {
namespace {

using absl::Status;
using tensorflow::OpKernel;
using tensorflow::OpKernelConstruction;
using tensorflow::OpKernelContext;
using tensorflow::Tensor;

class SparseMatMulBase : public OpKernel {
 public:
  SparseMatMulBase(OpKernelConstruction* context, int64_t element_inputs) : OpKernel(context) {
    OP_REQUIRES_OK(context, GetSparseShape(context, element_inputs, &shape_));
  }

 protected:
  SparseShape shape_;
};

class SparseQuantizedMatMulOp : public SparseMatMulBase {
 public:
  explicit SparseQuantizedMatMulOp(OpKernelConstruction* context) : SparseMatMulBase(context, 4) {
    OP_REQUIRES_OK(context, GetZeroPointsAndRange<int8_t>(context, &range_));
  }

  void Compute(OpKernelContext* context) override {
    std::shared_ptr<const SparseInt8Kernel> kernel;
    OP_REQUIRES_OK(context, GetKernel(context->input(kWeights), &kernel));
    int64_t rows;
    Tensor* y;
    OP_REQUIRES_OK(context, AllocateProduct(context, shape_.depth, shape_.columns, &rows, &y));
    if (y->NumElements() == 0) return;
    SparseQuantizedMatMul(context->input(kX).flat<int8_t>().data(), rows, *kernel, range_.output,
                          y->flat<int8_t>().data(), DeviceThreads(context));
  }

 private:
  Status GetKernel(const Tensor& tensor, std::shared_ptr<const SparseInt8Kernel>* kernel) {
    const KernelTable& kernels = Kernels();
    return cache_.Get(
        tensor, [&](const SparseInt8Kernel& known) { return &known.kernels() == &kernels; },
        [&](std::shared_ptr<const SparseInt8Kernel>* prepared) {
          SparseWeights<int32_t> weights;
          TF_RETURN_IF_ERROR(weights.Init(tensor, shape_));
          *prepared = std::make_shared<const SparseInt8Kernel>(
              kernels, shape_, weights.entries, weights.bias.data(), weights.multiplier.data(),
              range_.input_zero_point);
          return absl::OkStatus();
        },
        kernel);
  }

  ZeroPointsAndRange range_;
  Cache<SparseInt8Kernel> cache_;
};

class SparseMatMulOp : public SparseMatMulBase {
 public:
  explicit SparseMatMulOp(OpKernelConstruction* context) : SparseMatMulBase(context, 1) {}

  void Compute(OpKernelContext* context) override {
    std::shared_ptr<const SparseWeights<float>> weights;
    OP_REQUIRES_OK(
        context,
        cache_.Get(
            context->input(kWeights), [](const SparseWeights<float>&) { return true; },
            [&](std::shared_ptr<const SparseWeights<float>>* prepared) {
              auto read = std::make_shared<SparseWeights<float>>();
              TF_RETURN_IF_ERROR(read->Init(context->input(kWeights), shape_));
              *prepared = read;
              return absl::OkStatus();
            },
            &weights));
    int64_t rows;
    Tensor* y;
    OP_REQUIRES_OK(context, AllocateProduct(context, shape_.depth, shape_.columns, &rows, &y));
    if (y->NumElements() == 0) return;
    SparseMatMul(Kernels(), context->input(kX).flat<float>().data(), rows, shape_,
                 weights->entries, weights->bias.data(), y->flat<float>().data(),
                 DeviceThreads(context));
  }

 private:
  Cache<SparseWeights<float>> cache_;
};

KERASOPT_REGISTER_CPU("KerasoptSparseQuantizedMatMul", SparseQuantizedMatMulOp);
KERASOPT_REGISTER_CPU("KerasoptSparseMatMul", SparseMatMulOp);

}  // namespace
}  // namespace kerasopt
