// CPU kernels of the sparse matrix multiplications.

#include "kernels/dispatch.h"
#include "kernels/sparse/sparse_matmul.h"
#include "matmul_op.h"
#include "sparse_weights.h"

namespace kerasopt {
namespace {

template <int64_t kElementInputs>
class SparseProduct {
 public:
  Status Init(OpKernelConstruction* context) {
    return GetSparseShape(context, kElementInputs, &shape_);
  }

  int64_t depth() const { return shape_.depth; }
  int64_t columns() const { return shape_.columns; }

 protected:
  SparseShape shape_;
};

class SparseInt8Product : public SparseProduct<4> {
 public:
  using Value = int8_t;
  using Kernel = SparseInt8Kernel;

  Status Init(OpKernelConstruction* context) {
    TF_RETURN_IF_ERROR(SparseProduct::Init(context));
    return GetZeroPointsAndRange<int8_t>(context, &range_);
  }

  Status GetKernel(const Tensor& tensor, Cache<Kernel>* cache,
                   std::shared_ptr<const Kernel>* kernel) const {
    const KernelTable& kernels = Kernels();
    return cache->Get(
        tensor, [&](const Kernel& known) { return &known.kernels() == &kernels; },
        [&](std::shared_ptr<const Kernel>* prepared) {
          SparseWeights<int32_t> weights;
          TF_RETURN_IF_ERROR(weights.Init(tensor, shape_));
          *prepared =
              std::make_shared<const Kernel>(kernels, shape_, weights.entries, weights.bias.data(),
                                             weights.multiplier.data(), range_.input_zero_point);
          return absl::OkStatus();
        },
        kernel);
  }

  void MatMul(const int8_t* x, int64_t rows, const Kernel& kernel, int8_t* y,
              const ParallelFor& parallel_for) const {
    SparseQuantizedMatMul(x, rows, kernel, range_.output, y, parallel_for);
  }

 private:
  ZeroPointsAndRange range_;
};

class SparseFloatProduct : public SparseProduct<1> {
 public:
  using Value = float;
  using Kernel = SparseWeights<float>;

  Status GetKernel(const Tensor& tensor, Cache<Kernel>* cache,
                   std::shared_ptr<const Kernel>* kernel) const {
    return cache->Get(
        tensor, [](const Kernel&) { return true; },
        [&](std::shared_ptr<const Kernel>* prepared) {
          auto read = std::make_shared<Kernel>();
          TF_RETURN_IF_ERROR(read->Init(tensor, shape_));
          *prepared = read;
          return absl::OkStatus();
        },
        kernel);
  }

  void MatMul(const float* x, int64_t rows, const Kernel& weights, float* y,
              const ParallelFor& parallel_for) const {
    SparseMatMul(Kernels(), x, rows, shape_, weights.entries, weights.bias.data(), y, parallel_for);
  }
};

KERASOPT_REGISTER_CPU("KerasoptSparseQuantizedMatMul", MatMulOp<SparseInt8Product>);
KERASOPT_REGISTER_CPU("KerasoptSparseMatMul", MatMulOp<SparseFloatProduct>);

}  // namespace
}  // namespace kerasopt
