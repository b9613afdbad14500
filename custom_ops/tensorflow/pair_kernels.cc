// CPU kernels of sums and products of two integer tensors, and of their matrices; shapes broadcast.

#include <algorithm>
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
    OP_REQUIRES_OK(context, GetOrder(context, "order0", &orders_[0]));
    OP_REQUIRES_OK(context, GetOrder(context, "order1", &orders_[1]));
  }

  void Compute(OpKernelContext* context) override {
    const Tensor &x0 = context->input(0), &x1 = context->input(1);
    Strided operand0(Dimensions(x0)), operand1(Dimensions(x1));
    std::vector<int64_t> shape;
    OP_REQUIRES(context,
                PutInOrder(orders_[0], &operand0) && PutInOrder(orders_[1], &operand1) &&
                    ProductShape(operand0.shape, operand1.shape, &shape),
                InvalidArgument("x0 and x1 must have shapes (..., rows, depth) and (..., depth, "
                                "columns). Received: x0.shape=",
                                x0.shape().DebugString(), ", x1.shape=", x1.shape().DebugString()));
    Tensor* y;
    OP_REQUIRES_OK(context, AllocateOutput(context, shape, &y));
    if (y->NumElements() == 0) return;
    MatrixProduct product = product_;
    product.x0 = x0.flat<int8_t>().data();
    product.x1 = x1.flat<int8_t>().data();
    const size_t rows = shape.size() - 2;  // the axis
    product.rows = operand0.shape[rows];
    product.depth = operand0.shape[rows + 1];
    product.columns = operand1.shape[rows + 1];
    std::copy_n(&operand0.strides[rows], 2, product.strides0);
    std::copy_n(&operand1.strides[rows], 2, product.strides1);
    QuantizedBatchMatMul(product, BroadcastPair(operand0.Without(2), operand1.Without(2)),
                         y->flat<int8_t>().data(), DeviceThreads(context));
  }

 private:
  std::vector<int64_t> orders_[2];
  MatrixProduct product_ = {};
};

KERASOPT_REGISTER_CPU_TYPES("KerasoptQuantizedAdd", QuantizedAddOp);
KERASOPT_REGISTER_CPU("KerasoptQuantizedBatchMatMul", QuantizedBatchMatMulOp);
KERASOPT_REGISTER_CPU("KerasoptQuantizedMultiply", QuantizedMultiplyOp);

}  // namespace
}  // namespace kerasopt
