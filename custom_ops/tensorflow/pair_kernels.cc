// CPU kernels of sums and products of two integer tensors, and of their matrices; shapes broadcast.

#include <vector>

#include "kernels/elementwise/elementwise.h"
#include "kernels/matrix_product/matrix_product.h"
#include "op_support.h"
#include "pair_attributes.h"

namespace kerasopt {
namespace {

// What sums and products share: inputs x0 and x1.
template <typename T>
class PairKernel : public OpKernel {
 public:
  using OpKernel::OpKernel;

  void Compute(OpKernelContext* context) override {
    const Tensor &x0 = context->input(0), &x1 = context->input(1);
    const std::vector<int64_t> shape0 = Dimensions(x0), shape1 = Dimensions(x1);
    std::vector<int64_t> shape;
    OP_REQUIRES(context, BroadcastShape(shape0, shape1, &shape),
                InvalidArgument("x0 and x1 must have shapes that broadcast. Received: x0.shape=",
                                x0.shape().DebugString(), ", x1.shape=", x1.shape().DebugString()));
    Tensor* y;
    OP_REQUIRES_OK(context, AllocateOutput(context, shape, &y));
    if (y->NumElements() == 0) return;
    Run(x0.flat<T>().data(), x1.flat<T>().data(), BroadcastPair(shape0, shape1),
        y->flat<T>().data(), DeviceThreads(context));
  }

 protected:
  virtual void Run(const T* x0, const T* x1, const BroadcastPair& pair, T* out,
                   const ParallelFor& parallel_for) const = 0;
};

template <typename T>
class QuantizedAddOp : public PairKernel<T> {
 public:
  explicit QuantizedAddOp(OpKernelConstruction* context) : PairKernel<T>(context) {
    OP_REQUIRES_OK(context, GetAdd<T>(context, &parameters_));
  }

 protected:
  void Run(const T* x0, const T* x1, const BroadcastPair& pair, T* out,
           const ParallelFor& parallel_for) const override {
    QuantizedAdd(x0, x1, pair, parameters_, out, parallel_for);
  }

 private:
  AddParameters parameters_ = {};
};

class QuantizedMultiplyOp : public PairKernel<int8_t> {
 public:
  explicit QuantizedMultiplyOp(OpKernelConstruction* context) : PairKernel(context) {
    OP_REQUIRES_OK(context, GetProduct(context, &parameters_));
  }

 protected:
  void Run(const int8_t* x0, const int8_t* x1, const BroadcastPair& pair, int8_t* out,
           const ParallelFor& parallel_for) const override {
    QuantizedMultiply(x0, x1, pair, parameters_, out, parallel_for);
  }

 private:
  ProductParameters parameters_ = {};
};

class QuantizedBatchMatMulOp : public OpKernel {
 public:
  explicit QuantizedBatchMatMulOp(OpKernelConstruction* context) : OpKernel(context) {
    OP_REQUIRES_OK(context, GetMatrixProduct(context, &product_));
  }

  void Compute(OpKernelContext* context) override {
    const Tensor &x0 = context->input(0), &x1 = context->input(1);
    std::vector<int64_t> batch0, batch1, shape;
    OP_REQUIRES(context, ProductShape(Dimensions(x0), Dimensions(x1), &batch0, &batch1, &shape),
                InvalidArgument("x0 and x1 must have shapes (..., rows, depth) and (..., depth, "
                                "columns). Received: x0.shape=",
                                x0.shape().DebugString(), ", x1.shape=", x1.shape().DebugString()));
    Tensor* y;
    OP_REQUIRES_OK(context, AllocateOutput(context, shape, &y));
    if (y->NumElements() == 0) return;
    MatrixProduct product = product_;
    product.x0 = x0.flat<int8_t>().data();
    product.x1 = x1.flat<int8_t>().data();
    product.rows = x0.dim_size(x0.dims() - 2);
    product.depth = x0.dim_size(x0.dims() - 1);
    product.columns = shape.back();
    QuantizedBatchMatMul(product, BroadcastPair(batch0, batch1), y->flat<int8_t>().data(),
                         DeviceThreads(context));
  }

 private:
  MatrixProduct product_ = {};
};

KERASOPT_REGISTER_CPU_TYPES("KerasoptQuantizedAdd", QuantizedAddOp);
KERASOPT_REGISTER_CPU("KerasoptQuantizedBatchMatMul", QuantizedBatchMatMulOp);
KERASOPT_REGISTER_CPU("KerasoptQuantizedMultiply", QuantizedMultiplyOp);

}  // namespace
}  // namespace kerasopt
