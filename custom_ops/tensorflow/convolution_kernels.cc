// CPU kernels of the integer convolutions.

#include "integer_kernel.h"
#include "kernels/depthwise/depthwise.h"
#include "window_op.h"

namespace kerasopt {
namespace {

using absl::Status;
using tensorflow::OpKernel;
using tensorflow::OpKernelConstruction;
using tensorflow::OpKernelContext;
using tensorflow::Tensor;

template <typename T>
class ConvolutionOp : public WindowOp {
 public:
  explicit ConvolutionOp(OpKernelConstruction* context) : WindowOp(context) {
    OP_REQUIRES_OK(context, GetZeroPointsAndRange<T>(context, &range_));
  }

 protected:
  ZeroPointsAndRange range_;
};

template <typename T>
class QuantizedConv2DOp : public ConvolutionOp<T> {
 public:
  explicit QuantizedConv2DOp(OpKernelConstruction* context) : ConvolutionOp<T>(context) {
    OP_REQUIRES_OK(context, GetGroups(context, this->filters(), &groups_));
    OP_REQUIRES_OK(context, GetWeightFormat(context, false, &format_));
  }

  void Compute(OpKernelContext* context) override {
    const Tensor& x = context->input(kX);
    ConvolutionShape shape;
    const int64_t filters = this->filters();
    OP_REQUIRES_OK(context, this->GetShape(x, this->kernel_shape_[2] * groups_, &shape));
    const ZeroPointsAndRange& range = this->range_;
    std::shared_ptr<const IntegerKernel<T>> kernel;
    OP_REQUIRES_OK(context,
                   GetIntegerKernel<T>(context->input(kWeights),
                                       PackedConvolution(shape, filters, groups_, format_),
                                       range.input_zero_point, &cache_, &kernel));
    Tensor* y;
    OP_REQUIRES_OK(context, this->AllocateOutput(context, shape, filters, &y));
    if (y->NumElements() == 0) return;
    QuantizedConv2D(x.flat<T>().data(), shape, *kernel, range.output, y->flat<T>().data(),
                    DeviceThreads(context));
  }

 private:
  int64_t groups_;
  WeightFormat format_;
  Cache<IntegerKernel<T>> cache_;
};

template <typename T>
class QuantizedDepthwiseConv2DOp : public ConvolutionOp<T> {
 public:
  explicit QuantizedDepthwiseConv2DOp(OpKernelConstruction* context)
      : ConvolutionOp<T>(context) {
    OP_REQUIRES_OK(context, CheckProducts<T>(taps(), kMostInt16Taps));
  }

  void Compute(OpKernelContext* context) override {
    const Tensor& x = context->input(kX);
    ConvolutionShape shape;
    const int64_t depth_multiplier = this->kernel_shape_[3];
    OP_REQUIRES_OK(context, this->GetShape(x, this->kernel_shape_[2], &shape, depth_multiplier));
    const int64_t channels = shape.channels * depth_multiplier;
    std::shared_ptr<const DepthwiseWeights<T>> weights;
    OP_REQUIRES_OK(context, GetWeights(context->input(kWeights), channels, &weights));
    Tensor* y;
    OP_REQUIRES_OK(context, this->AllocateOutput(context, shape, channels, &y));
    if (y->NumElements() == 0) return;
    QuantizedDepthwiseConv2D(x.flat<T>().data(), shape, depth_multiplier, weights->kernel(),
                             static_cast<int8_t>(this->range_.input_zero_point),
                             weights->requantization(this->range_.output), y->flat<T>().data(),
                             DeviceThreads(context));
  }

 private:
  int64_t taps() const { return this->kernel_shape_[0] * this->kernel_shape_[1]; }

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

  Cache<DepthwiseWeights<T>> cache_;
};

KERASOPT_REGISTER_CPU_TYPES("KerasoptQuantizedConv2D", QuantizedConv2DOp);
KERASOPT_REGISTER_CPU_TYPES("KerasoptQuantizedDepthwiseConv2D", QuantizedDepthwiseConv2DOp);

}  // namespace
}  // namespace kerasopt
