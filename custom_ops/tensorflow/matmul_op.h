// The CPU kernel of matrix multiplications with weights, dense and sparse.

#ifndef KERASOPT_TENSORFLOW_MATMUL_OP_H_
#define KERASOPT_TENSORFLOW_MATMUL_OP_H_

#include "op_weights.h"

namespace kerasopt {

// `Product` reads the attributes, prepares a kernel of depth() rows and columns() columns, and
// multiplies with it.
template <typename Product>
class MatMulOp : public OpKernel {
 public:
  explicit MatMulOp(OpKernelConstruction* context) : OpKernel(context) {
    OP_REQUIRES_OK(context, product_.Init(context));
  }

  void Compute(OpKernelContext* context) override {
    using Value = typename Product::Value;
    std::shared_ptr<const typename Product::Kernel> kernel;
    OP_REQUIRES_OK(context, product_.GetKernel(context->input(kWeights), &cache_, &kernel));
    int64_t rows;
    Tensor* y;
    OP_REQUIRES_OK(context,
                   AllocateProduct(context, product_.depth(), product_.columns(), &rows, &y));
    if (y->NumElements() == 0) return;
    product_.MatMul(context->input(kX).flat<Value>().data(), rows, *kernel, y->flat<Value>().data(),
                    DeviceThreads(context));
  }

 private:
  Product product_;
  Cache<typename Product::Kernel> cache_;
};

}  // namespace kerasopt

#endif  // KERASOPT_TENSORFLOW_MATMUL_OP_H_
