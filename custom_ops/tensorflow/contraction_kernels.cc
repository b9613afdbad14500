// CPU kernels of the integer matrix multiplication and convolutions.

#include <cmath>
#include <cstring>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "kernels/convolution.h"
#include "kernels/dispatch.h"
#include "kernels/dynamic_matmul.h"
#include "op_support.h"

namespace kerasopt {
namespace {

using absl::Status;
using tensorflow::OpKernel;
using tensorflow::OpKernelConstruction;
using tensorflow::OpKernelContext;
using tensorflow::Tensor;
using tensorflow::TensorShape;

// The parts of a tensor of weights: the kernel, filled up to whole cache lines, then biases and
// multipliers (or scales), copied because nothing aligns them.
template <typename Bias>
class Weights {
 public:
  static constexpr int64_t kCacheLine = 64;

  Status Init(const Tensor& tensor, int64_t kernel_bytes, int64_t channels) {
    const int64_t first = CeilDivide(kernel_bytes, kCacheLine) * kCacheLine;
    static_assert(sizeof(Bias) == sizeof(float), "both vectors have the same size");
    const int64_t vector = channels * sizeof(float);
    if (tensor.dims() != 1 || tensor.dim_size(0) != first + 2 * vector) {
      return InvalidArgument("weights must have the shape [", first + 2 * vector,
                             "] for this kernel. Received: weights.shape=",
                             tensor.shape().DebugString());
    }
    kernel_ = tensor.flat<int8_t>().data();
    bias_.resize(channels);
    multiplier_.resize(channels);
    std::memcpy(bias_.data(), kernel_ + first, vector);
    std::memcpy(multiplier_.data(), kernel_ + first + vector, vector);
    for (int64_t i = 0; i < channels; ++i) {
      if (!(multiplier_[i] > 0.0f) || !std::isfinite(multiplier_[i])) {
        return InvalidArgument("multiplier must be positive and finite. Received: multiplier[", i,
                               "]=", multiplier_[i]);
      }
    }
    return absl::OkStatus();
  }

  const int8_t* kernel() const { return kernel_; }
  const Bias* bias() const { return bias_.data(); }
  const float* multiplier() const { return multiplier_.data(); }

 private:
  const int8_t* kernel_;
  std::vector<Bias> bias_;
  std::vector<float> multiplier_;
};

// Keeps what an op prepared of its weights for as long as it receives the same tensor.
//
// The cache holds a reference to it. TensorFlow writes to a buffer only while its reference is the
// only one, so an equal address means equal values.
template <typename Prepared>
class Cache {
 public:
  // `prepare(&prepared)` makes a std::shared_ptr<const Prepared>, if `is_valid(prepared)` is false
  // for what there is, or the tensor is another one.
  template <typename IsValid, typename Prepare>
  Status Get(const Tensor& weights, const IsValid& is_valid, const Prepare& prepare,
             std::shared_ptr<const Prepared>* prepared) {
    std::lock_guard<std::mutex> lock(mutex_);
    const bool is_same = prepared_ != nullptr && source_.data() == weights.data() &&
                         source_.NumElements() == weights.NumElements();
    if (!is_same || !is_valid(*prepared_)) {
      prepared_ = nullptr;
      TF_RETURN_IF_ERROR(prepare(&prepared_));
      source_ = weights;
    }
    *prepared = prepared_;
    return absl::OkStatus();
  }

 private:
  std::mutex mutex_;
  Tensor source_;
  std::shared_ptr<const Prepared> prepared_;
};

constexpr int kX = 0, kWeights = 1;

bool IsSame(const PackedShape& a, const PackedShape& b) {
  return a.groups == b.groups && a.runs == b.runs && a.depth == b.depth && a.columns == b.columns;
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

// The kernel of a matrix multiplication or convolution, prepared for the instruction set in use.
Status GetPackedKernel(const Tensor& tensor, const PackedShape& shape, int32_t input_zero_point,
                       Cache<PackedKernel>* cache, std::shared_ptr<const PackedKernel>* kernel) {
  const KernelTable& kernels = Kernels();
  return cache->Get(
      tensor,
      [&](const PackedKernel& known) {
        return &known.kernels() == &kernels && IsSame(known.shape(), shape);
      },
      [&](std::shared_ptr<const PackedKernel>* prepared) {
        Weights<int32_t> weights;
        TF_RETURN_IF_ERROR(weights.Init(tensor, shape.bytes(), shape.groups * shape.columns));
        *prepared =
            std::make_shared<const PackedKernel>(kernels, shape, weights.kernel(), weights.bias(),
                                                 weights.multiplier(), input_zero_point);
        return absl::OkStatus();
      },
      kernel);
}

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
    OP_REQUIRES_OK(context,
                   GetPackedKernel(context->input(kWeights), {1, 1, depth, units},
                                   range_.input_zero_point, &cache_, &kernel));
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
  Cache<PackedKernel> cache_;
};

class DynamicMatMulOp : public OpKernel {
 public:
  explicit DynamicMatMulOp(OpKernelConstruction* context) : OpKernel(context) {
    OP_REQUIRES_OK(context, GetKernelShape(context, 2, &kernel_shape_));
  }

  void Compute(OpKernelContext* context) override {
    const Tensor& x = context->input(kX);
    const int64_t depth = kernel_shape_[0], units = kernel_shape_[1];
    OP_REQUIRES(context, x.dims() >= 2 && x.dim_size(x.dims() - 1) == depth,
                InvalidArgument("x must have rank 2 or more and the last axis ", depth,
                                " to match kernel. Received: x.shape=", x.shape().DebugString()));
    std::shared_ptr<const DynamicKernel> kernel;
    OP_REQUIRES_OK(context, GetKernel(context->input(kWeights), {1, 1, depth, units}, &kernel));
    TensorShape shape = x.shape();
    shape.set_dim(x.dims() - 1, units);
    Tensor* y;
    OP_REQUIRES_OK(context, context->allocate_output(0, shape, &y));
    if (y->NumElements() == 0) return;
    DynamicMatMul(x.flat<float>().data(), x.NumElements() / depth, *kernel, y->flat<float>().data(),
                  DeviceThreads(context));
  }

 private:
  Status GetKernel(const Tensor& tensor, const PackedShape& shape,
                   std::shared_ptr<const DynamicKernel>* kernel) {
    const KernelTable& kernels = Kernels();
    return cache_.Get(
        tensor, [&](const DynamicKernel& known) { return &known.kernels() == &kernels; },
        [&](std::shared_ptr<const DynamicKernel>* prepared) {
          Weights<float> weights;
          TF_RETURN_IF_ERROR(weights.Init(tensor, shape.bytes(), shape.columns));
          *prepared = std::make_shared<const DynamicKernel>(
              kernels, shape, weights.kernel(), weights.multiplier(), weights.bias());
          return absl::OkStatus();
        },
        kernel);
  }

  std::vector<int64_t> kernel_shape_;
  Cache<DynamicKernel> cache_;
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
    OP_REQUIRES_OK(context, GetPackedKernel(context->input(kWeights),
                                            PackedConvolution(shape, filters, groups_),
                                            range_.input_zero_point, &cache_, &kernel));
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
  Cache<PackedKernel> cache_;
};

class QuantizedDepthwiseConv2DOp : public ConvolutionOp {
 public:
  explicit QuantizedDepthwiseConv2DOp(OpKernelConstruction* context) : ConvolutionOp(context) {
    OP_REQUIRES_OK(context, GetKernelShape(context, 4, &kernel_shape_));
  }

  void Compute(OpKernelContext* context) override {
    const Tensor& x = context->input(kX);
    ConvolutionShape shape;
    OP_REQUIRES_OK(context, GetShape(x, kernel_shape_[0], kernel_shape_[1], &shape));
    OP_REQUIRES(context, shape.channels == kernel_shape_[2],
                InvalidArgument("x must have ", kernel_shape_[2],
                                " channels to match kernel. Received: x.shape=",
                                x.shape().DebugString()));
    const int64_t depth_multiplier = kernel_shape_[3];
    const int64_t channels = shape.channels * depth_multiplier;
    std::shared_ptr<const Weights<int32_t>> weights;
    OP_REQUIRES_OK(context, GetWeights(context->input(kWeights), channels, &weights));
    Tensor* y;
    OP_REQUIRES_OK(context, AllocateOutput(context, shape, channels, &y));
    if (y->NumElements() == 0) return;
    QuantizedDepthwiseConv2D(
        x.flat<int8_t>().data(), shape, depth_multiplier, weights->kernel(),
        static_cast<int8_t>(range_.input_zero_point),
        RequantizationOf(weights->bias(), weights->multiplier(), range_.output),
        y->flat<int8_t>().data(), DeviceThreads(context));
  }

 private:
  Status GetWeights(const Tensor& tensor, int64_t channels,
                    std::shared_ptr<const Weights<int32_t>>* weights) {
    return cache_.Get(
        tensor, [](const Weights<int32_t>&) { return true; },
        [&](std::shared_ptr<const Weights<int32_t>>* prepared) {
          auto made = std::make_shared<Weights<int32_t>>();
          TF_RETURN_IF_ERROR(made->Init(tensor, kernel_shape_[0] * kernel_shape_[1] * channels,
                                        channels));
          *prepared = std::move(made);
          return absl::OkStatus();
        },
        weights);
  }

  std::vector<int64_t> kernel_shape_;
  Cache<Weights<int32_t>> cache_;
};

#define KERASOPT_REGISTER_CPU(name, op) \
  REGISTER_KERNEL_BUILDER(Name(name).Device(tensorflow::DEVICE_CPU), op)

KERASOPT_REGISTER_CPU("KerasoptQuantizedMatMul", QuantizedMatMulOp);
KERASOPT_REGISTER_CPU("KerasoptDynamicMatMul", DynamicMatMulOp);
KERASOPT_REGISTER_CPU("KerasoptQuantizedConv2D", QuantizedConv2DOp);
KERASOPT_REGISTER_CPU("KerasoptQuantizedDepthwiseConv2D", QuantizedDepthwiseConv2DOp);

}  // namespace
}  // namespace kerasopt
