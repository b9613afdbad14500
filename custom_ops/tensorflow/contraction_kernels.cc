// CPU kernels of the integer matrix multiplication and convolutions.

#include <memory>
#include <mutex>
#include <string>

#include "kernels/convolution.h"
#include "kernels/dispatch.h"
#include "op_support.h"

namespace kerasopt {
namespace {

using absl::Status;
using tensorflow::OpKernel;
using tensorflow::OpKernelConstruction;
using tensorflow::OpKernelContext;
using tensorflow::Tensor;
using tensorflow::TensorShape;

constexpr int kX = 0, kKernel = 1, kBias = 2, kMultiplier = 3;

Status CheckPerChannel(OpKernelContext* context, int64_t channels) {
  const Tensor& multiplier = context->input(kMultiplier);
  TF_RETURN_IF_ERROR(CheckVector("bias", context->input(kBias), channels));
  TF_RETURN_IF_ERROR(CheckVector("multiplier", multiplier, channels));
  return CheckPositive("multiplier", multiplier);
}

// Reads the shape of a kernel before it was packed.
Status GetKernelShape(OpKernelConstruction* context, size_t rank, std::vector<int64_t>* shape) {
  TF_RETURN_IF_ERROR(context->GetAttr("kernel_shape", shape));
  for (int64_t size : *shape) {
    if (size < 1) return InvalidArgument("kernel must have no empty axis. Received: size ", size);
  }
  if (shape->size() == rank) return absl::OkStatus();
  return InvalidArgument("kernel must have rank ", rank, ". Received: rank ", shape->size());
}

// Prepares the kernel of an op once for as long as it receives the same tensors.
//
// The cache holds references to them. TensorFlow writes to a buffer only while its reference is
// the only one, so an equal address means equal values.
class KernelCache {
 public:
  Status Get(OpKernelContext* context, const PackedShape& shape, int32_t input_zero_point,
             std::shared_ptr<const PackedKernel>* kernel) {
    const GemmKernel& gemm = Kernels().gemm;
    std::lock_guard<std::mutex> lock(mutex_);
    if (prepared_ == nullptr || &prepared_->gemm() != &gemm || !IsSame(context) ||
        !IsSameShape(shape)) {
      TF_RETURN_IF_ERROR(Prepare(context, gemm, shape, input_zero_point));
    }
    *kernel = prepared_;
    return absl::OkStatus();
  }

 private:
  bool IsSame(OpKernelContext* context) const {
    for (int i : {kKernel, kBias, kMultiplier}) {
      if (context->input(i).data() != sources_[i].data()) return false;
      if (context->input(i).NumElements() != sources_[i].NumElements()) return false;
    }
    return true;
  }

  bool IsSameShape(const PackedShape& shape) const {
    const PackedShape& known = prepared_->shape();
    return known.groups == shape.groups && known.runs == shape.runs &&
           known.depth == shape.depth && known.columns == shape.columns;
  }

  Status Prepare(OpKernelContext* context, const GemmKernel& gemm, const PackedShape& shape,
                 int32_t input_zero_point) {
    const Tensor& packed = context->input(kKernel);
    if (packed.dims() != 1 || packed.dim_size(0) != shape.bytes()) {
      return InvalidArgument("kernel must be packed, so have the shape [", shape.bytes(),
                             "] for this x and bias. Received: kernel.shape=",
                             packed.shape().DebugString());
    }
    TF_RETURN_IF_ERROR(CheckPerChannel(context, shape.groups * shape.columns));
    for (int i : {kKernel, kBias, kMultiplier}) sources_[i] = context->input(i);
    prepared_ = std::make_shared<const PackedKernel>(
        gemm, shape, packed.flat<int8_t>().data(), sources_[kBias].flat<int32_t>().data(),
        sources_[kMultiplier].flat<float>().data(), input_zero_point);
    return absl::OkStatus();
  }

  std::mutex mutex_;
  Tensor sources_[4];
  std::shared_ptr<const PackedKernel> prepared_;
};

class QuantizedMatMulOp : public OpKernel {
 public:
  explicit QuantizedMatMulOp(OpKernelConstruction* context) : OpKernel(context) {
    OP_REQUIRES_OK(context, GetZeroPointsAndRange(context, &range_));
    OP_REQUIRES_OK(context, GetKernelShape(context, 2, &kernel_shape_));
  }

  void Compute(OpKernelContext* context) override {
    const Tensor& x = context->input(kX);
    const int64_t depth = kernel_shape_[0], units = kernel_shape_[1];
    OP_REQUIRES(context, x.dims() >= 2 && x.dim_size(x.dims() - 1) == depth,
                InvalidArgument("x must have rank 2 or more and the last axis ", depth,
                                " to match kernel. Received: x.shape=", x.shape().DebugString()));
    std::shared_ptr<const PackedKernel> kernel;
    OP_REQUIRES_OK(context, kernels_.Get(context, {1, 1, depth, units}, range_.input_zero_point,
                                         &kernel));
    TensorShape shape = x.shape();
    shape.set_dim(x.dims() - 1, units);
    Tensor* y;
    OP_REQUIRES_OK(context, context->allocate_output(0, shape, &y));
    if (y->NumElements() == 0) return;
    QuantizedMatMul(x.flat<int8_t>().data(), x.NumElements() / depth, *kernel, range_.output,
                    y->flat<int8_t>().data(), DeviceThreads(context));
  }

 private:
  ZeroPointsAndRange range_;
  std::vector<int64_t> kernel_shape_;
  KernelCache kernels_;
};

class ConvolutionOp : public OpKernel {
 public:
  explicit ConvolutionOp(OpKernelConstruction* context) : OpKernel(context) {
    std::string padding;
    OP_REQUIRES_OK(context, GetZeroPointsAndRange(context, &range_));
    OP_REQUIRES_OK(context, context->GetAttr("strides", &strides_));
    OP_REQUIRES_OK(context, context->GetAttr("dilation_rate", &dilation_rate_));
    OP_REQUIRES_OK(context, context->GetAttr("padding", &padding));
    same_ = padding == "same";
  }

 protected:
  Status GetShape(const Tensor& x, int64_t kernel_height, int64_t kernel_width,
                  ConvolutionShape* shape) const {
    if (x.dims() != 4) {
      return InvalidArgument("x must have rank 4. Received: x.shape=", x.shape().DebugString());
    }
    *shape = {x.dim_size(0), x.dim_size(3), Axis(x, kernel_height, 0), Axis(x, kernel_width, 1)};
    if (shape->height.output < 1 || shape->width.output < 1) {
      return InvalidArgument("The kernel must fit into the input. Received: x.shape=",
                             x.shape().DebugString(), ", kernel size=", kernel_height, "x",
                             kernel_width);
    }
    return absl::OkStatus();
  }

  Status AllocateOutput(OpKernelContext* context, const ConvolutionShape& shape, int64_t channels,
                        Tensor** y) const {
    return context->allocate_output(
        0, {shape.batch, shape.height.output, shape.width.output, channels}, y);
  }

  ZeroPointsAndRange range_;

 private:
  Window Axis(const Tensor& x, int64_t kernel, int axis) const {
    return MakeWindow(x.dim_size(axis + 1), kernel, strides_[axis], dilation_rate_[axis], same_);
  }

  std::vector<int32_t> strides_, dilation_rate_;
  bool same_;
};

class QuantizedConv2DOp : public ConvolutionOp {
 public:
  explicit QuantizedConv2DOp(OpKernelConstruction* context) : ConvolutionOp(context) {
    OP_REQUIRES_OK(context, GetKernelShape(context, 4, &kernel_shape_));
    OP_REQUIRES_OK(context, context->GetAttr("groups", &groups_));
    OP_REQUIRES(context, kernel_shape_[3] % groups_ == 0,
                InvalidArgument("The filters must be in ", groups_,
                                " groups of one size. Received: ", kernel_shape_[3], " filters"));
  }

  void Compute(OpKernelContext* context) override {
    const Tensor& x = context->input(kX);
    ConvolutionShape shape;
    OP_REQUIRES_OK(context, GetShape(x, kernel_shape_[0], kernel_shape_[1], &shape));
    const int64_t channels = kernel_shape_[2] * groups_, filters = kernel_shape_[3];
    OP_REQUIRES(context, shape.channels == channels,
                InvalidArgument("x must have ", channels, " channels to match kernel. Received: "
                                "x.shape=", x.shape().DebugString()));
    std::shared_ptr<const PackedKernel> kernel;
    OP_REQUIRES_OK(context, kernels_.Get(context, PackedConvolution(shape, filters, groups_),
                                         range_.input_zero_point, &kernel));
    Tensor* y;
    OP_REQUIRES_OK(context, AllocateOutput(context, shape, filters, &y));
    if (y->NumElements() == 0) return;
    QuantizedConv2D(x.flat<int8_t>().data(), shape, *kernel,
                    static_cast<int8_t>(range_.input_zero_point), range_.output,
                    y->flat<int8_t>().data(), DeviceThreads(context));
  }

 private:
  std::vector<int64_t> kernel_shape_;
  int32_t groups_;
  KernelCache kernels_;
};

class QuantizedDepthwiseConv2DOp : public ConvolutionOp {
 public:
  using ConvolutionOp::ConvolutionOp;

  void Compute(OpKernelContext* context) override {
    const Tensor &x = context->input(kX), &kernel = context->input(kKernel);
    OP_REQUIRES(context, kernel.dims() == 4 && kernel.NumElements() > 0,
                InvalidArgument("kernel must have rank 4 and no empty axis. Received: kernel.shape=",
                                kernel.shape().DebugString()));
    ConvolutionShape shape;
    OP_REQUIRES_OK(context, GetShape(x, kernel.dim_size(0), kernel.dim_size(1), &shape));
    OP_REQUIRES(context, shape.channels == kernel.dim_size(2),
                InvalidArgument("x must have ", kernel.dim_size(2),
                                " channels to match kernel. Received: x.shape=",
                                x.shape().DebugString()));
    const int64_t depth_multiplier = kernel.dim_size(3);
    const int64_t channels = shape.channels * depth_multiplier;
    OP_REQUIRES_OK(context, CheckPerChannel(context, channels));
    Tensor* y;
    OP_REQUIRES_OK(context, AllocateOutput(context, shape, channels, &y));
    if (y->NumElements() == 0) return;
    QuantizedDepthwiseConv2D(
        x.flat<int8_t>().data(), shape, depth_multiplier, kernel.flat<int8_t>().data(),
        static_cast<int8_t>(range_.input_zero_point),
        RequantizationOf(context->input(kBias).flat<int32_t>().data(),
                         context->input(kMultiplier).flat<float>().data(), range_.output),
        y->flat<int8_t>().data(), DeviceThreads(context));
  }
};

#define KERASOPT_REGISTER_CPU(name, op) \
  REGISTER_KERNEL_BUILDER(Name(name).Device(tensorflow::DEVICE_CPU), op)

KERASOPT_REGISTER_CPU("KerasoptQuantizedMatMul", QuantizedMatMulOp);
KERASOPT_REGISTER_CPU("KerasoptQuantizedConv2D", QuantizedConv2DOp);
KERASOPT_REGISTER_CPU("KerasoptQuantizedDepthwiseConv2D", QuantizedDepthwiseConv2DOp);

}  // namespace
}  // namespace kerasopt
