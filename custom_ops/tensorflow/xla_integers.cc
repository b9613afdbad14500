// XLA kernels of sums and products of two integer tensors, and of pooling.

#include <numeric>
#include <vector>

#include "kernels/common/broadcast.h"
#include "pair_attributes.h"
#include "window_attributes.h"
#include "xla/hlo/builder/lib/arithmetic.h"
#include "xla/hlo/builder/lib/constants.h"
#include "xla_support.h"

namespace kerasopt {
namespace {

using tensorflow::OpKernelConstruction;
using tensorflow::XlaOpKernel;
using tensorflow::XlaOpKernelContext;

// What sums and products share: inputs x0 and x1, whose shapes broadcast.
class XlaPair : public XlaOpKernel {
 public:
  using XlaOpKernel::XlaOpKernel;

  void Compile(XlaOpKernelContext* context) override {
    std::vector<int64_t> shape;
    OP_REQUIRES(
        context,
        BroadcastShape(InputDimensions(context, 0), InputDimensions(context, 1), &shape),
        InvalidArgument("x0 and x1 must have shapes that broadcast. Received: x0.shape=",
                        InputShape(context, 0).DebugString(), ", x1.shape=",
                        InputShape(context, 1).DebugString()));
    context->SetOutput(0, Combine(context, SharedAxes(context)));
  }

 protected:
  // `shared` tells which axes of the operand of higher rank those of the other one are.
  virtual xla::XlaOp Combine(XlaOpKernelContext* context,
                             const std::vector<int64_t>& shared) const = 0;

  // An operand in int32, less its zero point.
  static xla::XlaOp Centred(XlaOpKernelContext* context, int input, int32_t zero_point) {
    const xla::XlaOp x = xla::ConvertElementType(context->Input(input), xla::S32);
    return x - Scalar(x, zero_point);
  }

 private:
  static std::vector<int64_t> SharedAxes(XlaOpKernelContext* context) {
    const int64_t rank0 = InputShape(context, 0).dims(), rank1 = InputShape(context, 1).dims();
    if (rank0 == rank1) return {};
    std::vector<int64_t> axes(std::min(rank0, rank1));
    std::iota(axes.begin(), axes.end(), std::abs(rank0 - rank1));
    return axes;
  }
};

class XlaQuantizedAdd : public XlaPair {
 public:
  explicit XlaQuantizedAdd(OpKernelConstruction* context) : XlaPair(context) {
    tensorflow::DataType type;
    OP_REQUIRES_OK(context, context->GetAttr("T", &type));
    is_int16_ = type == tensorflow::DT_INT16;
    OP_REQUIRES_OK(context, is_int16_ ? GetAdd<int16_t>(context, &parameters_)
                                      : GetAdd<int8_t>(context, &parameters_));
  }

 protected:
  xla::XlaOp Combine(XlaOpKernelContext* context,
                     const std::vector<int64_t>& shared) const override {
    const AddParameters& p = parameters_;
    const xla::XlaOp x0 = Centred(context, 0, p.zero_point0);
    const xla::XlaOp x1 = Centred(context, 1, p.zero_point1);
    const auto sum = [&](int32_t multiplier0, int32_t multiplier1) {
      return xla::Add(x0 * Scalar(x0, multiplier0), x1 * Scalar(x1, multiplier1), shared);
    };
    const xla::XlaOp scaled = is_int16_ ? ScaledInt16(sum) : Scaled(sum);
    const xla::XlaOp q =
        xla::Clamp(Scalar(scaled, p.output_min), scaled + Scalar(scaled, p.output_zero_point),
                   Scalar(scaled, p.output_max));
    return xla::ConvertElementType(q, is_int16_ ? xla::S16 : xla::S8);
  }

 private:
  static xla::XlaOp Shifted(xla::XlaOp sum, int32_t shift) {
    return xla::ShiftRightArithmetic(sum + Scalar(sum, 1 << (shift - 1)), Scalar(sum, shift));
  }

  // `sum(m0, m1)` is the sum of both inputs times some multipliers.
  template <typename Sum>
  xla::XlaOp Scaled(const Sum& sum) const {
    return Shifted(sum(parameters_.multiplier0, parameters_.multiplier1), parameters_.shift);
  }

  // See AddInt16 in kernels/elementwise/pair_loops.inc.
  template <typename Sum>
  xla::XlaOp ScaledInt16(const Sum& sum) const {
    const AddParameters& p = parameters_;
    const xla::XlaOp low = sum(p.multiplier0 & 255, p.multiplier1 & 255);
    const xla::XlaOp high = sum(p.multiplier0 >> 8, p.multiplier1 >> 8);
    return Shifted(high + xla::ShiftRightArithmetic(low, Scalar(low, 8)), p.shift - 8);
  }

  AddParameters parameters_ = {};
  bool is_int16_;
};

class XlaQuantizedMultiply : public XlaPair {
 public:
  explicit XlaQuantizedMultiply(OpKernelConstruction* context) : XlaPair(context) {
    OP_REQUIRES_OK(context, GetProduct(context, &parameters_));
  }

 protected:
  xla::XlaOp Combine(XlaOpKernelContext* context,
                     const std::vector<int64_t>& shared) const override {
    const ProductParameters& p = parameters_;
    const xla::XlaOp products = xla::Mul(Centred(context, 0, p.zero_point0),
                                         Centred(context, 1, p.zero_point1), shared);
    const int32_t point = p.output_zero_point;
    return XlaRequantize(products, Scalar(products, p.multiplier),
                         {point, static_cast<int32_t>(p.min) + point,
                          static_cast<int32_t>(p.max) + point});
  }

 private:
  ProductParameters parameters_ = {};
};

class XlaQuantizedMean : public XlaOpKernel {
 public:
  explicit XlaQuantizedMean(OpKernelConstruction* context) : XlaOpKernel(context) {
    OP_REQUIRES_OK(context, GetAverage(context, &average_));
    OP_REQUIRES_OK(context, context->GetAttr("keepdims", &keepdims_));
  }

  void Compile(XlaOpKernelContext* context) override {
    const tensorflow::TensorShape shape = InputShape(context, 0);
    OP_REQUIRES(context, shape.dims() == 4 && shape.dim_size(1) > 0 && shape.dim_size(2) > 0,
                InvalidArgument("x must have rank 4 and at least one pixel. Received: x.shape=",
                                shape.DebugString()));
    const float pixels = static_cast<float>(shape.dim_size(1) * shape.dim_size(2));
    const xla::XlaOp x = xla::ConvertElementType(context->Input(0), xla::S32);
    xla::XlaBuilder* builder = x.builder();
    const xla::XlaOp sums =
        xla::Reduce(x - Scalar(x, average_.input_zero_point), xla::Zero(builder, xla::S32),
                    xla::CreateScalarAddComputation(xla::S32, builder), {1, 2});
    const float multiplier = average_.scale_ratio / pixels;
    xla::XlaOp y = XlaRequantize(sums, Scalar(x, multiplier), {average_.output_zero_point, -128, 127});
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

KERASOPT_REGISTER_XLA("KerasoptQuantizedAdd", XlaQuantizedAdd);
KERASOPT_REGISTER_XLA("KerasoptQuantizedMultiply", XlaQuantizedMultiply);
KERASOPT_REGISTER_XLA("KerasoptQuantizedMean", XlaQuantizedMean);
KERASOPT_REGISTER_XLA("KerasoptQuantizedAveragePool", XlaQuantizedAveragePool);
KERASOPT_REGISTER_XLA("KerasoptMaxPool", XlaMaxPool);

}  // namespace
}  // namespace kerasopt
