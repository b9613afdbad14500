// CPU kernels of quantization and fake quantization.

#include "kernels/elementwise/elementwise.h"

#include <limits>

#include "op_support.h"

namespace kerasopt {
namespace {

// Error unless there is one scale, or one per entry of the last axis of x.
Status CheckScaleShape(const Tensor& x, const Tensor& scale) {
  const int64_t last = x.dims() == 0 ? 1 : x.dim_size(x.dims() - 1);
  if (scale.dims() > 1 || (scale.NumElements() != 1 && scale.NumElements() != last)) {
    return InvalidArgument(
        "scale must be a scalar or have one value per entry of the last axis "
        "of x. Received: scale.shape=",
        scale.shape().DebugString(), ", x.shape=", x.shape().DebugString());
  }
  return absl::OkStatus();
}

template <typename T>
class QuantizeOp : public OpKernel {
 public:
  explicit QuantizeOp(OpKernelConstruction* context) : OpKernel(context) {
    OP_REQUIRES_OK(context, GetIntegerAttr(context, "zero_point", kMin, kMax, &zero_point_));
  }

  void Compute(OpKernelContext* context) override {
    const Tensor &x = context->input(0), &scale = context->input(1);
    OP_REQUIRES_OK(context, CheckScaleShape(x, scale));
    OP_REQUIRES_OK(context, CheckPositive("scale", scale));
    Tensor* y;
    OP_REQUIRES_OK(context, context->allocate_output(0, x.shape(), &y));
    if (x.NumElements() == 0) return;
    const float zero_point = static_cast<float>(zero_point_);
    const QuantizationGrid grid(scale.flat<float>().data(), scale.NumElements(), &zero_point, 1,
                                kMin, kMax);
    Quantize(x.flat<float>().data(), x.NumElements(), grid, zero_point_, y->flat<T>().data(),
             DeviceThreads(context));
  }

 private:
  static constexpr int32_t kMin = std::numeric_limits<T>::min();
  static constexpr int32_t kMax = std::numeric_limits<T>::max();

  int32_t zero_point_;
};

// What fake quantization and its gradients share: inputs x, scale and zero_point, in the
// gradients after that of the result. Shapes are checked, values are not: a training that diverges
// has to end in a loss of NaN, as it does without these ops.
class FakeQuantizeKernel : public OpKernel {
 public:
  explicit FakeQuantizeKernel(OpKernelConstruction* context)
      : OpKernel(context), first_(context->num_inputs() - 3) {
    OP_REQUIRES_OK(context, GetLimits(context, &qmin_, &qmax_));
  }

  void Compute(OpKernelContext* context) override {
    const Tensor &x = context->input(first_), &scale = context->input(first_ + 1);
    OP_REQUIRES_OK(context, CheckScaleShape(x, scale));
    OP_REQUIRES_OK(context, CheckZeroPointShape(scale, context->input(first_ + 2)));
    OP_REQUIRES(
        context, context->input(0).shape() == x.shape(),
        InvalidArgument("upstream and x must have the same shape. Received: ",
                        context->input(0).shape().DebugString(), " and ", x.shape().DebugString()));
    if (scale.dims() == 0 && scale.scalar<float>()() == 0.0f) {  // switched off
      context->set_output(0, context->input(0));
      return SetSums(context, scale.shape());
    }
    Tensor* y;
    OP_REQUIRES_OK(context, context->forward_input_or_allocate_output({0}, 0, x.shape(), &y));
    if (x.NumElements() == 0) return SetSums(context, scale.shape());
    Run(context, y->flat<float>().data());
  }

 protected:
  const float* Values(OpKernelContext* context, int input) const {
    return context->input(input).flat<float>().data();
  }

  QuantizationGrid GridOf(OpKernelContext* context) const {
    return QuantizationGrid(Values(context, first_ + 1), context->input(first_ + 1).NumElements(),
                            Values(context, first_ + 2), context->input(first_ + 2).NumElements(),
                            qmin_, qmax_);
  }

  // Writes the values of output 0, and the other outputs.
  virtual void Run(OpKernelContext* context, float* out) = 0;

 private:
  // Sets the outputs after the first to zeros.
  void SetSums(OpKernelContext* context, const TensorShape& shape) const {
    for (int i = 1; i < context->num_outputs(); ++i) {
      Tensor* sums;
      OP_REQUIRES_OK(context, context->allocate_output(i, shape, &sums));
      sums->flat<float>().setZero();
    }
  }

  static Status CheckZeroPointShape(const Tensor& scale, const Tensor& zero_point) {
    if (zero_point.dims() > 1 ||
        (zero_point.NumElements() != 1 && zero_point.NumElements() != scale.NumElements())) {
      return InvalidArgument(
          "zero_point must be a scalar or have the shape of scale. Received: "
          "zero_point.shape=",
          zero_point.shape().DebugString(), ", scale.shape=", scale.shape().DebugString());
    }
    return absl::OkStatus();
  }

  const int first_;
  int32_t qmin_, qmax_;
};

class FakeQuantizeOp : public FakeQuantizeKernel {
 public:
  using FakeQuantizeKernel::FakeQuantizeKernel;

 protected:
  void Run(OpKernelContext* context, float* out) override {
    FakeQuantize(Values(context, 0), context->input(0).NumElements(), GridOf(context), out,
                 DeviceThreads(context));
  }
};

class FakeQuantizeGradientOp : public FakeQuantizeKernel {
 public:
  using FakeQuantizeKernel::FakeQuantizeKernel;

 protected:
  void Run(OpKernelContext* context, float* out) override {
    FakeQuantizeGradient(Values(context, 0), Values(context, 1), context->input(1).NumElements(),
                         GridOf(context), out, DeviceThreads(context));
  }
};

class LearnedScaleGradientsOp : public FakeQuantizeKernel {
 public:
  using FakeQuantizeKernel::FakeQuantizeKernel;

 protected:
  void Run(OpKernelContext* context, float* out) override {
    Tensor *by_scale, *clamped;
    const TensorShape& shape = context->input(2).shape();
    OP_REQUIRES_OK(context, context->allocate_output(1, shape, &by_scale));
    OP_REQUIRES_OK(context, context->allocate_output(2, shape, &clamped));
    LearnedScaleGradients(Values(context, 0), Values(context, 1), context->input(1).NumElements(),
                          GridOf(context), out, by_scale->flat<float>().data(),
                          clamped->flat<float>().data(), DeviceThreads(context));
  }
};

class MinMaxOp : public OpKernel {
 public:
  using OpKernel::OpKernel;

  void Compute(OpKernelContext* context) override {
    const Tensor& x = context->input(0);
    OP_REQUIRES(
        context, x.NumElements() > 0,
        InvalidArgument("x must not be empty. Received: x.shape=", x.shape().DebugString()));
    Tensor *min, *max;
    OP_REQUIRES_OK(context, context->allocate_output(0, {}, &min));
    OP_REQUIRES_OK(context, context->allocate_output(1, {}, &max));
    MinMax(x.flat<float>().data(), x.NumElements(), &min->scalar<float>()(),
           &max->scalar<float>()(), DeviceThreads(context));
  }
};

KERASOPT_REGISTER_CPU_TYPES("KerasoptQuantize", QuantizeOp);
KERASOPT_REGISTER_CPU("KerasoptFakeQuantize", FakeQuantizeOp);
KERASOPT_REGISTER_CPU("KerasoptFakeQuantizeGrad", FakeQuantizeGradientOp);
KERASOPT_REGISTER_CPU("KerasoptLearnedScaleGradients", LearnedScaleGradientsOp);
KERASOPT_REGISTER_CPU("KerasoptMinMax", MinMaxOp);

}  // namespace
}  // namespace kerasopt
