// CPU kernels of the depthwise convolution of integers.

#include "convolution_op.h"
#include "kernels/depthwise/depthwise.h"
#include "kernels/gemm/int16_matmul.h"
#include "op_weights.h"

namespace kerasopt {
namespace {

template <typename T>
class DepthwiseWeights : public Weights<int32_t> {
 public:
  Requantization requantization(const OutputRange& output) const {
    return RequantizationOf(bias(), multiplier(), output);
  }
  void Prepare(int64_t, int64_t) {}
};

template <>
class DepthwiseWeights<int16_t> : public Weights<int32_t> {
 public:
  Int16Requantization requantization(const OutputRange& output) const {
    return channels_.requantization(0, output);
  }

  void Prepare(int64_t channels, int64_t taps) {
    channels_ = Int16Channels(channels, taps);
    for (int64_t i = 0; i < channels; ++i) channels_.Set(i, bias()[i], multiplier()[i]);
  }

 private:
  Int16Channels channels_{0, 0};
};

template <typename T>
class QuantizedDepthwiseConv2DOp : public ConvolutionOp {
 public:
  explicit QuantizedDepthwiseConv2DOp(OpKernelConstruction* context) : ConvolutionOp(context) {
    OP_REQUIRES_OK(context, GetZeroPointsAndRange<T>(context, &range_));
    OP_REQUIRES_OK(context, CheckProducts<T>(taps(), kMostInt16Taps));
  }

  void Compute(OpKernelContext* context) override {
    const Tensor& x = context->input(kX);
    ConvolutionShape shape;
    const int64_t depth_multiplier = kernel_shape_[3];
    OP_REQUIRES_OK(context, GetShape(x, kernel_shape_[2], &shape, depth_multiplier));
    const int64_t channels = shape.channels * depth_multiplier;
    std::shared_ptr<const DepthwiseWeights<T>> weights;
    OP_REQUIRES_OK(context, GetWeights(context->input(kWeights), channels, &weights));
    Tensor* y;
    OP_REQUIRES_OK(context, AllocateOutput(context, shape, channels, &y));
    if (y->NumElements() == 0) return;
    QuantizedDepthwiseConv2D(x.flat<T>().data(), shape, depth_multiplier, weights->kernel(),
                             static_cast<int8_t>(range_.input_zero_point),
                             weights->requantization(range_.output), y->flat<T>().data(),
                             DeviceThreads(context));
  }

 private:
  int64_t taps() const { return kernel_shape_[0] * kernel_shape_[1]; }

  Status GetWeights(const Tensor& tensor, int64_t channels,
                    std::shared_ptr<const DepthwiseWeights<T>>* weights) {
    return cache_.Get(
        tensor, [](const DepthwiseWeights<T>&) { return true; },
        [&](std::shared_ptr<const DepthwiseWeights<T>>* prepared) {
          auto made = std::make_shared<DepthwiseWeights<T>>();
          TF_RETURN_IF_ERROR(made->Init(tensor, taps() * channels, channels));
          made->Prepare(channels, taps());
          *prepared = std::move(made);
          return absl::OkStatus();
        },
        weights);
  }

  ZeroPointsAndRange range_;
  Cache<DepthwiseWeights<T>> cache_;
};

KERASOPT_REGISTER_CPU_TYPES("KerasoptQuantizedDepthwiseConv2D", QuantizedDepthwiseConv2DOp);

}  // namespace
}  // namespace kerasopt
