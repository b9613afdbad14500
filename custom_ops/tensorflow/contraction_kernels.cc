// CPU kernels of the integer matrix multiplication and convolutions.

#include <memory>
#include <mutex>

#include "kernels/convolution.h"
#include "kernels/dispatch.h"
#include "kernels/gemm.h"
#include "kernels/packed_weights.h"
#include "op_support.h"

namespace kerasopt {
namespace {

using tensorflow::OpKernel;
using tensorflow::OpKernelConstruction;
using tensorflow::OpKernelContext;
using absl::Status;
using tensorflow::Tensor;
using tensorflow::TensorShape;

// Packs the weights of an op once for as long as it receives the same tensor.
//
// The cache holds a reference to that tensor. TensorFlow writes to a buffer only while its
// reference is the only one, so an equal address means equal values.
class WeightCache {
 public:
  std::shared_ptr<const PackedWeights> Get(const Tensor& weights, int64_t depth, int64_t columns) {
    const KernelTable& kernels = Kernels();
    const int8_t* data = weights.flat<int8_t>().data();
    std::lock_guard<std::mutex> lock(mutex_);
    if (packed_ == nullptr || source_.flat<int8_t>().data() != data ||
        source_.shape() != weights.shape() || packed_->kernels() != &kernels) {
      packed_ = std::make_shared<const PackedWeights>(kernels, data, depth, columns);
      source_ = weights;
    }
    return packed_;
  }

 private:
  std::mutex mutex_;
  Tensor source_;
  std::shared_ptr<const PackedWeights> packed_;
};

// What all contractions check; adds bias and multiplier to `quantization`.
Status BindOutputChannels(OpKernelContext* context, int64_t channels,
                          OutputQuantization* quantization) {
  const Tensor &bias = context->input(2), &multiplier = context->input(3);
  TF_RETURN_IF_ERROR(CheckVector("bias", bias, channels));
  TF_RETURN_IF_ERROR(CheckVector("multiplier", multiplier, channels));
  TF_RETURN_IF_ERROR(CheckPositive("multiplier", multiplier));
  quantization->bias = bias.flat<int32_t>().data();
  quantization->multiplier = multiplier.flat<float>().data();
  return absl::OkStatus();
}

Status CheckKernel(const Tensor& kernel, int rank) {
  if (kernel.dims() == rank && kernel.NumElements() > 0) return absl::OkStatus();
  return InvalidArgument("kernel must have rank ", rank, " and no empty axis. Received: kernel.shape=",
                         kernel.shape().DebugString());
}

class QuantizedMatMulOp : public OpKernel {
 public:
  explicit QuantizedMatMulOp(OpKernelConstruction* context) : OpKernel(context) {
    OP_REQUIRES_OK(context, GetOutputQuantization(context, &quantization_));
  }

  void Compute(OpKernelContext* context) override {
    const Tensor &x = context->input(0), &kernel = context->input(1);
    OP_REQUIRES_OK(context, CheckKernel(kernel, 2));
    const int64_t depth = kernel.dim_size(0), units = kernel.dim_size(1);
    OP_REQUIRES(context, x.dims() >= 2 && x.dim_size(x.dims() - 1) == depth,
                InvalidArgument("x must have rank 2 or more and the last axis ", depth,
                                " to match kernel. Received: x.shape=", x.shape().DebugString()));
    OutputQuantization quantization = quantization_;
    OP_REQUIRES_OK(context, BindOutputChannels(context, units, &quantization));
    TensorShape shape = x.shape();
    shape.set_dim(x.dims() - 1, units);
    Tensor* y;
    OP_REQUIRES_OK(context, context->allocate_output(0, shape, &y));
    if (y->NumElements() == 0) return;
    QuantizedMatMul(x.flat<int8_t>().data(), x.NumElements() / depth, depth,
                    *weights_.Get(kernel, depth, units), quantization, y->flat<int8_t>().data(),
                    ParallelForOf(context));
  }

 private:
  OutputQuantization quantization_;
  WeightCache weights_;
};

class ConvolutionOp : public OpKernel {
 public:
  explicit ConvolutionOp(OpKernelConstruction* context) : OpKernel(context) {
    std::string padding;
    OP_REQUIRES_OK(context, GetOutputQuantization(context, &quantization_));
    OP_REQUIRES_OK(context, context->GetAttr("strides", &strides_));
    OP_REQUIRES_OK(context, context->GetAttr("dilation_rate", &dilation_rate_));
    OP_REQUIRES_OK(context, context->GetAttr("padding", &padding));
    same_ = padding == "same";
  }

 protected:
  // Checks inputs and allocates the output, which is left empty for an empty batch.
  Status Prepare(OpKernelContext* context, int64_t out_channels, ConvolutionShape* shape,
                 OutputQuantization* quantization, Tensor** y) {
    const Tensor &x = context->input(0), &kernel = context->input(1);
    if (x.dims() != 4 || x.dim_size(3) != kernel.dim_size(2)) {
      return InvalidArgument("x must have rank 4 and ", kernel.dim_size(2),
                             " channels to match kernel. Received: x.shape=",
                             x.shape().DebugString());
    }
    *quantization = quantization_;
    TF_RETURN_IF_ERROR(BindOutputChannels(context, out_channels, quantization));
    *shape = {x.dim_size(0), x.dim_size(3), Axis(x, kernel, 0), Axis(x, kernel, 1)};
    if (shape->height.output < 1 || shape->width.output < 1) {
      return InvalidArgument("The kernel must fit into the input. Received: x.shape=",
                             x.shape().DebugString(),
                             ", kernel.shape=", kernel.shape().DebugString());
    }
    return context->allocate_output(
        0, {shape->batch, shape->height.output, shape->width.output, out_channels}, y);
  }

 private:
  Window Axis(const Tensor& x, const Tensor& kernel, int axis) const {
    return MakeWindow(x.dim_size(axis + 1), kernel.dim_size(axis), strides_[axis],
                      dilation_rate_[axis], same_);
  }

  OutputQuantization quantization_;
  std::vector<int32_t> strides_, dilation_rate_;
  bool same_;
};

class QuantizedConv2DOp : public ConvolutionOp {
 public:
  using ConvolutionOp::ConvolutionOp;

  void Compute(OpKernelContext* context) override {
    const Tensor& kernel = context->input(1);
    OP_REQUIRES_OK(context, CheckKernel(kernel, 4));
    const int64_t filters = kernel.dim_size(3);
    ConvolutionShape shape;
    OutputQuantization quantization;
    Tensor* y;
    OP_REQUIRES_OK(context, Prepare(context, filters, &shape, &quantization, &y));
    if (y->NumElements() == 0) return;
    const auto weights = weights_.Get(kernel, kernel.NumElements() / filters, filters);
    QuantizedConv2D(context->input(0).flat<int8_t>().data(), shape, *weights, quantization,
                    y->flat<int8_t>().data(), ParallelForOf(context));
  }

 private:
  WeightCache weights_;
};

class QuantizedDepthwiseConv2DOp : public ConvolutionOp {
 public:
  using ConvolutionOp::ConvolutionOp;

  void Compute(OpKernelContext* context) override {
    const Tensor& kernel = context->input(1);
    OP_REQUIRES_OK(context, CheckKernel(kernel, 4));
    const int64_t depth_multiplier = kernel.dim_size(3);
    ConvolutionShape shape;
    OutputQuantization quantization;
    Tensor* y;
    OP_REQUIRES_OK(context, Prepare(context, kernel.dim_size(2) * depth_multiplier, &shape,
                                    &quantization, &y));
    if (y->NumElements() == 0) return;
    QuantizedDepthwiseConv2D(context->input(0).flat<int8_t>().data(), shape, depth_multiplier,
                             kernel.flat<int8_t>().data(), quantization, y->flat<int8_t>().data(),
                             ParallelForOf(context));
  }
};

#define KERASOPT_REGISTER_CPU(name, op) \
  REGISTER_KERNEL_BUILDER(Name(name).Device(tensorflow::DEVICE_CPU), op)

KERASOPT_REGISTER_CPU("KerasoptQuantizedMatMul", QuantizedMatMulOp);
KERASOPT_REGISTER_CPU("KerasoptQuantizedConv2D", QuantizedConv2DOp);
KERASOPT_REGISTER_CPU("KerasoptQuantizedDepthwiseConv2D", QuantizedDepthwiseConv2DOp);

}  // namespace
}  // namespace kerasopt
