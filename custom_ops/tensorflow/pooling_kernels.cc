// CPU kernels of averages and largest values of int8 images.

#include <string>
#include <vector>

#include "kernels/pooling.h"
#include "op_support.h"

namespace kerasopt {
namespace {

using absl::Status;
using tensorflow::OpKernel;
using tensorflow::OpKernelConstruction;
using tensorflow::OpKernelContext;
using tensorflow::Tensor;
using tensorflow::TensorShape;

Status GetAverage(OpKernelConstruction* context, AverageParameters* value) {
  TF_RETURN_IF_ERROR(GetPositiveAttr(context, "scale_ratio", &value->scale_ratio));
  TF_RETURN_IF_ERROR(
      GetIntegerAttr(context, "input_zero_point", -128, 127, &value->input_zero_point));
  return GetIntegerAttr(context, "output_zero_point", -128, 127, &value->output_zero_point);
}

class QuantizedMeanOp : public OpKernel {
 public:
  explicit QuantizedMeanOp(OpKernelConstruction* context) : OpKernel(context) {
    OP_REQUIRES_OK(context, GetAverage(context, &parameters_));
    OP_REQUIRES_OK(context, context->GetAttr("keepdims", &keepdims_));
  }

  void Compute(OpKernelContext* context) override {
    const Tensor& x = context->input(0);
    OP_REQUIRES(context, x.dims() == 4 && x.dim_size(1) > 0 && x.dim_size(2) > 0,
                InvalidArgument("x must have rank 4 and at least one pixel. Received: x.shape=",
                                x.shape().DebugString()));
    const int64_t batch = x.dim_size(0), channels = x.dim_size(3);
    Tensor* y;
    const TensorShape shape =
        keepdims_ ? TensorShape({batch, 1, 1, channels}) : TensorShape({batch, channels});
    OP_REQUIRES_OK(context, context->allocate_output(0, shape, &y));
    const auto all = [&](int axis) {
      const int64_t size = x.dim_size(axis);
      return MakeWindow(size, size, 1, 1, {false, 0, 0});
    };
    QuantizedAveragePool(x.flat<int8_t>().data(), {batch, channels, all(1), all(2)}, parameters_,
                         y->flat<int8_t>().data(), DeviceThreads(context));
  }

 private:
  AverageParameters parameters_ = {};
  bool keepdims_;
};

// What both kinds of pooling share.
class PoolKernel : public OpKernel {
 public:
  explicit PoolKernel(OpKernelConstruction* context) : OpKernel(context) {
    std::string padding;
    OP_REQUIRES_OK(context, context->GetAttr("pool_size", &pool_size_));
    OP_REQUIRES_OK(context, context->GetAttr("strides", &strides_));
    OP_REQUIRES_OK(context, context->GetAttr("padding", &padding));
    is_same_ = padding == "same";
    OP_REQUIRES(context, pool_size_.size() == 2 && strides_.size() == 2,
                InvalidArgument("pool_size and strides must have two values"));
    for (int64_t value : {pool_size_[0], pool_size_[1], strides_[0], strides_[1]}) {
      OP_REQUIRES(context, value >= 1 && value <= kMost,
                  InvalidArgument("pool_size and strides must be from 1 to ", kMost,
                                  ". Received: ", value));
    }
  }

  void Compute(OpKernelContext* context) override {
    const Tensor& x = context->input(0);
    OP_REQUIRES(context, x.dims() == 4,
                InvalidArgument("x must have rank 4. Received: x.shape=", x.shape().DebugString()));
    const ConvolutionShape shape = {x.dim_size(0), x.dim_size(3), WindowOf(x, 0), WindowOf(x, 1)};
    for (const Window* window : {&shape.height, &shape.width}) {
      OP_REQUIRES(context, window->output >= 1,
                  InvalidArgument("The window must fit into the image. Received: x.shape=",
                                  x.shape().DebugString(), ", pool_size=", pool_size_[0], ", ",
                                  pool_size_[1]));
    }
    Tensor* y;
    const TensorShape y_shape(
        {shape.batch, shape.height.output, shape.width.output, shape.channels});
    OP_REQUIRES_OK(context, context->allocate_output(0, y_shape, &y));
    Run(x.flat<int8_t>().data(), shape, y->flat<int8_t>().data(), DeviceThreads(context));
  }

 protected:
  virtual void Run(const int8_t* x, const ConvolutionShape& shape, int8_t* out,
                   const ParallelFor& parallel_for) const = 0;

 private:
  static constexpr int64_t kMost = 1 << 20;

  Window WindowOf(const Tensor& x, int axis) const {
    return MakeWindow(x.dim_size(axis + 1), pool_size_[axis], strides_[axis], 1, {is_same_, 0, 0});
  }

  std::vector<int64_t> pool_size_, strides_;
  bool is_same_;
};

class QuantizedAveragePoolOp : public PoolKernel {
 public:
  explicit QuantizedAveragePoolOp(OpKernelConstruction* context) : PoolKernel(context) {
    OP_REQUIRES_OK(context, GetAverage(context, &parameters_));
  }

 protected:
  void Run(const int8_t* x, const ConvolutionShape& shape, int8_t* out,
           const ParallelFor& parallel_for) const override {
    QuantizedAveragePool(x, shape, parameters_, out, parallel_for);
  }

 private:
  AverageParameters parameters_ = {};
};

class MaxPoolOp : public PoolKernel {
 public:
  using PoolKernel::PoolKernel;

 protected:
  void Run(const int8_t* x, const ConvolutionShape& shape, int8_t* out,
           const ParallelFor& parallel_for) const override {
    MaxPool(x, shape, out, parallel_for);
  }
};

KERASOPT_REGISTER_CPU("KerasoptQuantizedMean", QuantizedMeanOp);
KERASOPT_REGISTER_CPU("KerasoptQuantizedAveragePool", QuantizedAveragePoolOp);
KERASOPT_REGISTER_CPU("KerasoptMaxPool", MaxPoolOp);

}  // namespace
}  // namespace kerasopt
