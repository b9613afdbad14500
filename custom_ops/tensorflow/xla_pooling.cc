// XLA kernels of average and max pooling of int8 images.

#include <vector>

#include "window_attributes.h"
#include "xla/hlo/builder/lib/arithmetic.h"
#include "xla/hlo/builder/lib/constants.h"
#include "xla_support.h"

namespace kerasopt {
namespace {

class XlaQuantizedMean : public XlaOpKernel {
 public:
  explicit XlaQuantizedMean(OpKernelConstruction* context) : XlaOpKernel(context) {
    OP_REQUIRES_OK(context, GetAverage(context, &average_));
    OP_REQUIRES_OK(context, context->GetAttr("keepdims", &keepdims_));
  }

  void Compile(XlaOpKernelContext* context) override {
    const TensorShape shape = InputShape(context, 0);
    OP_REQUIRES_OK(context, CheckPixels(shape));
    const float pixels = static_cast<float>(shape.dim_size(1) * shape.dim_size(2));
    const xla::XlaOp x = xla::ConvertElementType(context->Input(0), xla::S32);
    xla::XlaBuilder* builder = x.builder();
    const xla::XlaOp sums =
        xla::Reduce(x - Scalar(x, average_.input_zero_point), xla::Zero(builder, xla::S32),
                    xla::CreateScalarAddComputation(xla::S32, builder), {1, 2});
    const float multiplier = average_.scale_ratio / pixels;
    xla::XlaOp y =
        XlaRequantize(sums, Scalar(x, multiplier), {average_.output_zero_point, -128, 127});
    if (keepdims_) y = xla::Reshape(y, {shape.dim_size(0), 1, 1, shape.dim_size(3)});
    context->SetOutput(0, y);
  }

 private:
  AverageParameters average_ = {};
  bool keepdims_;
};

// Windows along an axis without what of them is padding at any place, so that one that covers far
// more than the image takes no longer than the image does.
Window Trimmed(Window window) {
  const int64_t travel = (window.output - 1) * window.stride;
  const int64_t before = std::max<int64_t>(window.pad_before - travel, 0);
  const int64_t after = std::max<int64_t>(window.pad_after - travel, 0);
  window.kernel -= before + after;
  window.pad_before -= before;
  window.pad_after -= after;
  return window;
}

class XlaPool : public XlaOpKernel {
 public:
  explicit XlaPool(OpKernelConstruction* context) : XlaOpKernel(context) {
    OP_REQUIRES_OK(context, attributes_.Init(context));
  }

  void Compile(XlaOpKernelContext* context) override {
    ConvolutionShape shape;
    OP_REQUIRES_OK(context, attributes_.Make(InputShape(context, 0), &shape));
    context->SetOutput(0, Pool(context->Input(0), shape));
  }

 protected:
  virtual xla::XlaOp Pool(xla::XlaOp x, const ConvolutionShape& shape) const = 0;

  static xla::XlaOp Reduce(xla::XlaOp x, const ConvolutionShape& shape, xla::XlaOp init,
                           const xla::XlaComputation& computation) {
    const Window height = Trimmed(shape.height), width = Trimmed(shape.width);
    return xla::ReduceWindowWithGeneralPadding(
        x, init, computation, {1, height.kernel, width.kernel, 1},
        {1, height.stride, width.stride, 1}, /*base_dilations=*/{}, /*window_dilations=*/{},
        {{0, 0},
         {height.pad_before, height.pad_after},
         {width.pad_before, width.pad_after},
         {0, 0}});
  }

 private:
  PoolAttributes attributes_;
};

class XlaQuantizedAveragePool : public XlaPool {
 public:
  explicit XlaQuantizedAveragePool(OpKernelConstruction* context) : XlaPool(context) {
    OP_REQUIRES_OK(context, GetAverage(context, &average_));
  }

 protected:
  xla::XlaOp Pool(xla::XlaOp x, const ConvolutionShape& image) const override {
    x = xla::ConvertElementType(x, xla::S32);
    xla::XlaBuilder* builder = x.builder();
    const xla::XlaOp sums =
        Reduce(x - Scalar(x, average_.input_zero_point), image, xla::Zero(builder, xla::S32),
               xla::CreateScalarAddComputation(xla::S32, builder));
    const std::vector<int64_t> rows = PixelsInside(image.height);
    const std::vector<int64_t> columns = PixelsInside(image.width);
    std::vector<float> multipliers;
    for (int64_t row : rows) {
      for (int64_t column : columns) {
        multipliers.push_back(average_.scale_ratio / static_cast<float>(row * column));
      }
    }
    const std::vector<int64_t> shape = Dimensions(sums);
    const xla::XlaOp multiplier = xla::BroadcastInDim(
        xla::Reshape(xla::ConstantR1<float>(builder, multipliers), {shape[1], shape[2]}), shape,
        {1, 2});
    return XlaRequantize(sums, multiplier, {average_.output_zero_point, -128, 127});
  }

 private:
  // How many pixels of each window are in the image, along one axis.
  static std::vector<int64_t> PixelsInside(const Window& window) {
    std::vector<int64_t> pixels(window.output);
    for (int64_t i = 0; i < window.output; ++i) {
      const int64_t begin = i * window.stride - window.pad_before;
      pixels[i] = std::min(begin + window.kernel, window.input) - std::max<int64_t>(begin, 0);
    }
    return pixels;
  }

  AverageParameters average_ = {};
};

class XlaMaxPool : public XlaPool {
 public:
  using XlaPool::XlaPool;

 protected:
  xla::XlaOp Pool(xla::XlaOp x, const ConvolutionShape& shape) const override {
    xla::XlaBuilder* builder = x.builder();
    return Reduce(x, shape, xla::MinValue(builder, xla::S8),
                  xla::CreateScalarMaxComputation(xla::S8, builder));
  }
};

KERASOPT_REGISTER_XLA("KerasoptQuantizedMean", XlaQuantizedMean);
KERASOPT_REGISTER_XLA("KerasoptQuantizedAveragePool", XlaQuantizedAveragePool);
KERASOPT_REGISTER_XLA("KerasoptMaxPool", XlaMaxPool);

}  // namespace
}  // namespace kerasopt
