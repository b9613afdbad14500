// CPU kernels of the integer convolutions.

#include "op_weights.h"
#include "window_op.h"

namespace kerasopt {
namespace {

using absl::Status;
using tensorflow::OpKernel;
using tensorflow::OpKernelConstruction;
using tensorflow::OpKernelContext;
using tensorflow::Tensor;

class ConvolutionOp : public WindowOp {
 public:
  explicit ConvolutionOp(OpKernelConstruction* context) : WindowOp(context) {
    OP_REQUIRES_OK(context, GetZeroPointsAndRange(context, &range_));
  }

 protected:
  ZeroPointsAndRange range_;
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
