// CPU kernels of average and max pooling of int8 images.

#include <vector>

#include "kernels/pooling/pooling.h"
#include "op_support.h"
#include "window_attributes.h"

namespace kerasopt {
namespace {

class QuantizedMeanOp : public OpKernel {
 public:
  explicit QuantizedMeanOp(OpKernelConstruction* context) : OpKernel(context) {
    OP_REQUIRES_OK(context, GetAverage(context, &parameters_));
    OP_REQUIRES_OK(context, context->GetAttr("keepdims", &keepdims_));
  }

  void Compute(OpKernelContext* context) override {
    const Tensor& x = context->input(0);
    OP_REQUIRES_OK(context, CheckPixels(x.shape()));
    const int64_t batch = x.dim_size(0), channels = x.dim_size(3);
    std::vector<int64_t> shape = {batch, 1, 1, channels};
    if (!keepdims_) shape = {batch, channels};
    Tensor* y;
    OP_REQUIRES_OK(context, AllocateOutput(context, shape, &y));
    if (y->NumElements() == 0) return;
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
    OP_REQUIRES_OK(context, attributes_.Init(context));
  }

  void Compute(OpKernelContext* context) override {
    const Tensor& x = context->input(0);
    ConvolutionShape shape;
    OP_REQUIRES_OK(context, attributes_.Make(x.shape(), &shape));
    Tensor* y;
    OP_REQUIRES_OK(
        context,
        AllocateOutput(context,
                       {shape.batch, shape.height.output, shape.width.output, shape.channels}, &y));
    if (y->NumElements() == 0) return;
    Run(x.flat<int8_t>().data(), shape, y->flat<int8_t>().data(), DeviceThreads(context));
  }

 protected:
  virtual void Run(const int8_t* x, const ConvolutionShape& shape, int8_t* out,
                   const ParallelFor& parallel_for) const = 0;

 private:
  PoolAttributes attributes_;
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
