// CPU kernels of the integer convolutions.

#include "kernels/convolution.h"
#include "op_weights.h"

namespace kerasopt {
namespace {

using absl::Status;
using tensorflow::OpKernel;
using tensorflow::OpKernelConstruction;
using tensorflow::OpKernelContext;
using tensorflow::Tensor;

// Padded lines are kept in memory.
constexpr int64_t kMostPadding = 1 << 21;

class ConvolutionOp : public OpKernel {
 public:
  explicit ConvolutionOp(OpKernelConstruction* context) : OpKernel(context) {
    OP_REQUIRES_OK(context, GetZeroPointsAndRange(context, &range_));
    OP_REQUIRES_OK(context, context->GetAttr("strides", &strides_));
    OP_REQUIRES_OK(context, context->GetAttr("dilation_rate", &dilation_rate_));
    OP_REQUIRES_OK(context, GetPaddings(context, paddings_));
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
    for (const Window& window : {shape->height, shape->width}) {
      if (window.pad_before + window.pad_after > kMostPadding) {
        return InvalidArgument("The dilated kernel must not reach beyond the input by more than ",
                               kMostPadding, ". Received: dilation rate=", window.dilation);
      }
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
    return MakeWindow(x.dim_size(axis + 1), kernel, strides_[axis], dilation_rate_[axis],
                      paddings_[axis]);
  }

  std::vector<int32_t> strides_, dilation_rate_;
  Padding paddings_[2];
};

class QuantizedConv2DOp : public ConvolutionOp {
 public:
  explicit QuantizedConv2DOp(OpKernelConstruction* context) : ConvolutionOp(context) {
    OP_REQUIRES_OK(context, GetKernelShape(context, 4, &kernel_shape_));
    OP_REQUIRES_OK(context, context->GetAttr("groups", &groups_));
    OP_REQUIRES_OK(context, GetWeightFormat(context, &format_));
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
                                            PackedConvolution(shape, filters, groups_, format_),
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
  WeightFormat format_;
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

KERASOPT_REGISTER_CPU("KerasoptQuantizedConv2D", QuantizedConv2DOp);
KERASOPT_REGISTER_CPU("KerasoptQuantizedDepthwiseConv2D", QuantizedDepthwiseConv2DOp);

}  // namespace
}  // namespace kerasopt
