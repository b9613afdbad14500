// CPU kernels of sums and products of two integer tensors, and of their matrices; shapes broadcast.

#include <vector>

#include "kernels/elementwise.h"
#include "kernels/matrix_product.h"
#include "op_support.h"

namespace kerasopt {
namespace {

using absl::Status;
using tensorflow::OpKernel;
using tensorflow::OpKernelConstruction;
using tensorflow::OpKernelContext;
using tensorflow::Tensor;
using tensorflow::TensorShape;

std::vector<int64_t> Dimensions(const Tensor& tensor) {
  const auto sizes = tensor.shape().dim_sizes();
  return std::vector<int64_t>(sizes.begin(), sizes.end());
}

template <typename T, typename Parameters>
Status GetZeroPoints(OpKernelConstruction* context, Parameters* p) {
  TF_RETURN_IF_ERROR(GetZeroPoint<T>(context, "zero_point0", &p->zero_point0));
  return GetZeroPoint<T>(context, "zero_point1", &p->zero_point1);
}

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
    OP_REQUIRES_OK(context, context->allocate_output(0, TensorShape(shape), &y));
    if (y->NumElements() == 0) return;
    Run(x0.flat<T>().data(), x1.flat<T>().data(), BroadcastPair(shape0, shape1),
        y->flat<T>().data(), DeviceThreads(context));
  }

 protected:
  virtual void Run(const T* x0, const T* x1, const BroadcastPair& pair, T* out,
                   const ParallelFor& parallel_for) const = 0;

  // Reads what the attributes of both say.
  template <typename Parameters>
  static Status GetPair(OpKernelConstruction* context, Parameters* p, int32_t* min, int32_t* max) {
    TF_RETURN_IF_ERROR(GetZeroPoints<T>(context, p));
    TF_RETURN_IF_ERROR(GetZeroPoint<T>(context, "output_zero_point", &p->output_zero_point));
    return GetRange<T>(context, min, max);
  }
};

template <typename T>
class QuantizedAddOp : public PairKernel<T> {
 public:
  explicit QuantizedAddOp(OpKernelConstruction* context) : PairKernel<T>(context) {
    AddParameters& p = parameters_;
    constexpr int64_t kLeastShift = sizeof(T) == 1 ? 1 : 9;
    // With these bounds no sum of two products leaves int32.
    OP_REQUIRES_OK(context, GetIntegerAttr(context, "multiplier0", 0, 1 << 21, &p.multiplier0));
    OP_REQUIRES_OK(context, GetIntegerAttr(context, "multiplier1", 0, 1 << 21, &p.multiplier1));
    OP_REQUIRES_OK(context, GetIntegerAttr(context, "shift", kLeastShift, 30, &p.shift));
    OP_REQUIRES_OK(context, this->GetPair(context, &p, &p.output_min, &p.output_max));
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
    ProductParameters& p = parameters_;
    int32_t min, max;
    OP_REQUIRES_OK(context, GetPositiveAttr(context, "multiplier", &p.multiplier));
    OP_REQUIRES_OK(context, GetPair(context, &p, &min, &max));
    p.min = static_cast<float>(min - p.output_zero_point);
    p.max = static_cast<float>(max - p.output_zero_point);
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
    SumParameters& output = product_.output;
    OP_REQUIRES_OK(context, GetZeroPoints<int8_t>(context, &product_));
    OP_REQUIRES_OK(context, GetIntegerAttr(context, "output_zero_point", -128, 127,
                                           &output.output_zero_point));
    OP_REQUIRES_OK(context, GetPositiveAttr(context, "multiplier", &output.multiplier));
    output.min = static_cast<float>(-128 - output.output_zero_point);
    output.max = static_cast<float>(127 - output.output_zero_point);
  }

  void Compute(OpKernelContext* context) override {
    const Tensor &x0 = context->input(0), &x1 = context->input(1);
    std::vector<int64_t> shape0 = Dimensions(x0), shape1 = Dimensions(x1), shape;
    bool fits = shape0.size() >= 2 && shape0.size() == shape1.size() &&
                shape0.back() == shape1[shape1.size() - 2];
    if (fits) {
      const int64_t columns = shape1.back(), rows = shape0[shape0.size() - 2];
      shape0.resize(shape0.size() - 2), shape1.resize(shape1.size() - 2);
      fits = BroadcastShape(shape0, shape1, &shape);
      shape.insert(shape.end(), {rows, columns});
    }
    OP_REQUIRES(context, fits,
                InvalidArgument("x0 and x1 must have shapes (..., rows, depth) and (..., depth, "
                                "columns). Received: x0.shape=", x0.shape().DebugString(),
                                ", x1.shape=", x1.shape().DebugString()));
    Tensor* y;
    OP_REQUIRES_OK(context, context->allocate_output(0, TensorShape(shape), &y));
    if (y->NumElements() == 0) return;
    MatrixProduct product = product_;
    product.x0 = x0.flat<int8_t>().data();
    product.x1 = x1.flat<int8_t>().data();
    product.rows = x0.dim_size(x0.dims() - 2);
    product.depth = x0.dim_size(x0.dims() - 1);
    product.columns = shape.back();
    QuantizedBatchMatMul(product, BroadcastPair(shape0, shape1), y->flat<int8_t>().data(),
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
