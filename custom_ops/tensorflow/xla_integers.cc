// XLA kernels of sums and products of two integer tensors, and of pooling.

#include <numeric>
#include <string>
#include <vector>

#include "invalid_argument.h"
#include "kernels/image_lines.h"
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
  explicit XlaPair(OpKernelConstruction* context) : XlaOpKernel(context) {
    OP_REQUIRES_OK(context, context->GetAttr("zero_point0", &zero_points_[0]));
    OP_REQUIRES_OK(context, context->GetAttr("zero_point1", &zero_points_[1]));
    OP_REQUIRES_OK(context, context->GetAttr("output_zero_point", &output_.zero_point));
    OP_REQUIRES_OK(context, context->GetAttr("output_min", &output_.min));
    OP_REQUIRES_OK(context, context->GetAttr("output_max", &output_.max));
  }

 protected:
  // An operand in int32, less its zero point.
  xla::XlaOp Centred(XlaOpKernelContext* context, int input) const {
    const xla::XlaOp x = xla::ConvertElementType(context->Input(input), xla::S32);
    return x - Scalar(x, zero_points_[input]);
  }

  // Which axes of the operand of higher rank those of the other one are: the last ones.
  static std::vector<int64_t> SharedAxes(XlaOpKernelContext* context) {
    const int64_t rank0 = context->InputXlaShape(0)->dimensions().size();
    const int64_t rank1 = context->InputXlaShape(1)->dimensions().size();
    if (rank0 == rank1) return {};
    std::vector<int64_t> axes(std::min(rank0, rank1));
    std::iota(axes.begin(), axes.end(), std::abs(rank0 - rank1));
    return axes;
  }

  XlaOutputQuantization output_;

 private:
  int32_t zero_points_[2];
};

class XlaQuantizedAdd : public XlaPair {
 public:
  explicit XlaQuantizedAdd(OpKernelConstruction* context) : XlaPair(context) {
    OP_REQUIRES_OK(context, context->GetAttr("multiplier0", &multipliers_[0]));
    OP_REQUIRES_OK(context, context->GetAttr("multiplier1", &multipliers_[1]));
    OP_REQUIRES_OK(context, context->GetAttr("shift", &shift_));
  }

  void Compile(XlaOpKernelContext* context) override {
    const xla::PrimitiveType type = context->InputXlaShape(0)->element_type();
    xla::XlaOp q = type == xla::S8 ? Scaled(context) : ScaledInt16(context);
    q = xla::Clamp(Scalar(q, output_.min), q + Scalar(q, output_.zero_point),
                   Scalar(q, output_.max));
    context->SetOutput(0, xla::ConvertElementType(q, type));
  }

 private:
  // The sum of both inputs times some multipliers.
  xla::XlaOp Sum(XlaOpKernelContext* context, int32_t multiplier0, int32_t multiplier1) const {
    const xla::XlaOp x0 = Centred(context, 0), x1 = Centred(context, 1);
    return xla::Add(x0 * Scalar(x0, multiplier0), x1 * Scalar(x1, multiplier1),
                    SharedAxes(context));
  }

  static xla::XlaOp Shifted(xla::XlaOp sum, int32_t shift) {
    return xla::ShiftRightArithmetic(sum + Scalar(sum, 1 << (shift - 1)), Scalar(sum, shift));
  }

  xla::XlaOp Scaled(XlaOpKernelContext* context) const {
    return Shifted(Sum(context, multipliers_[0], multipliers_[1]), shift_);
  }

  // See AddInt16 in kernels/integer_loops.inc.
  xla::XlaOp ScaledInt16(XlaOpKernelContext* context) const {
    const xla::XlaOp low = Sum(context, multipliers_[0] & 255, multipliers_[1] & 255);
    const xla::XlaOp high = Sum(context, multipliers_[0] >> 8, multipliers_[1] >> 8);
    return Shifted(high + xla::ShiftRightArithmetic(low, Scalar(low, 8)), shift_ - 8);
  }

  int32_t multipliers_[2], shift_;
};

class XlaQuantizedMultiply : public XlaPair {
 public:
  explicit XlaQuantizedMultiply(OpKernelConstruction* context) : XlaPair(context) {
    OP_REQUIRES_OK(context, context->GetAttr("multiplier", &multiplier_));
  }

  void Compile(XlaOpKernelContext* context) override {
    const xla::XlaOp products =
        xla::Mul(Centred(context, 0), Centred(context, 1), SharedAxes(context));
    context->SetOutput(0, XlaRequantize(products, Scalar(products, multiplier_), output_));
  }

 private:
  float multiplier_;
};

class XlaQuantizedMean : public XlaOpKernel {
 public:
  explicit XlaQuantizedMean(OpKernelConstruction* context) : XlaOpKernel(context) {
    OP_REQUIRES_OK(context, context->GetAttr("scale_ratio", &scale_ratio_));
    OP_REQUIRES_OK(context, context->GetAttr("input_zero_point", &input_zero_point_));
    OP_REQUIRES_OK(context, context->GetAttr("output_zero_point", &output_zero_point_));
    OP_REQUIRES_OK(context, context->GetAttr("keepdims", &keepdims_));
  }

  void Compile(XlaOpKernelContext* context) override {
    const xla::Shape shape = *context->InputXlaShape(0);
    const int64_t pixels = shape.dimensions(1) * shape.dimensions(2);
    OP_REQUIRES(context, pixels > 0, InvalidArgument("x must have at least one pixel"));
    const xla::XlaOp x = xla::ConvertElementType(context->Input(0), xla::S32);
    xla::XlaBuilder* builder = x.builder();
    const xla::XlaOp sums =
        xla::Reduce(x - Scalar(x, input_zero_point_), xla::Zero(builder, xla::S32),
                    xla::CreateScalarAddComputation(xla::S32, builder), {1, 2});
    const float multiplier = scale_ratio_ / static_cast<float>(pixels);
    xla::XlaOp y = XlaRequantize(sums, Scalar(x, multiplier), {output_zero_point_, -128, 127});
    if (keepdims_) y = xla::Reshape(y, {shape.dimensions(0), 1, 1, shape.dimensions(3)});
    context->SetOutput(0, y);
  }

 private:
  float scale_ratio_;
  int32_t input_zero_point_, output_zero_point_;
  bool keepdims_;
};

class XlaPool : public XlaOpKernel {
 public:
  explicit XlaPool(OpKernelConstruction* context) : XlaOpKernel(context) {
    std::string padding;
    OP_REQUIRES_OK(context, context->GetAttr("pool_size", &pool_size_));
    OP_REQUIRES_OK(context, context->GetAttr("strides", &strides_));
    OP_REQUIRES_OK(context, context->GetAttr("padding", &padding));
    is_same_ = padding == "same";
  }

 protected:
  Window WindowOf(XlaOpKernelContext* context, int axis) const {
    return MakeWindow(context->InputXlaShape(0)->dimensions(axis + 1), pool_size_[axis],
                      strides_[axis], 1, {is_same_, 0, 0});
  }

  xla::XlaOp Reduce(XlaOpKernelContext* context, xla::XlaOp x, xla::XlaOp init,
                    const xla::XlaComputation& computation) const {
    const Window height = WindowOf(context, 0), width = WindowOf(context, 1);
    return xla::ReduceWindowWithGeneralPadding(
        x, init, computation, {1, height.kernel, width.kernel, 1},
        {1, height.stride, width.stride, 1}, /*base_dilations=*/{}, /*window_dilations=*/{},
        {{0, 0},
         {height.pad_before, height.pad_after},
         {width.pad_before, width.pad_after},
         {0, 0}});
  }

 private:
  std::vector<int64_t> pool_size_, strides_;
  bool is_same_;
};

class XlaQuantizedAveragePool : public XlaPool {
 public:
  explicit XlaQuantizedAveragePool(OpKernelConstruction* context) : XlaPool(context) {
    OP_REQUIRES_OK(context, context->GetAttr("scale_ratio", &scale_ratio_));
    OP_REQUIRES_OK(context, context->GetAttr("input_zero_point", &input_zero_point_));
    OP_REQUIRES_OK(context, context->GetAttr("output_zero_point", &output_zero_point_));
  }

  void Compile(XlaOpKernelContext* context) override {
    xla::XlaOp x = xla::ConvertElementType(context->Input(0), xla::S32);
    xla::XlaBuilder* builder = x.builder();
    const xla::XlaOp sums =
        Reduce(context, x - Scalar(x, input_zero_point_), xla::Zero(builder, xla::S32),
               xla::CreateScalarAddComputation(xla::S32, builder));
    const std::vector<int64_t> rows = PixelsInside(WindowOf(context, 0));
    const std::vector<int64_t> columns = PixelsInside(WindowOf(context, 1));
    std::vector<float> multipliers;
    for (int64_t row : rows) {
      for (int64_t column : columns) {
        multipliers.push_back(scale_ratio_ / static_cast<float>(row * column));
      }
    }
    const auto shape = builder->GetShape(sums)->dimensions();
    const xla::XlaOp multiplier = xla::BroadcastInDim(
        xla::Reshape(xla::ConstantR1<float>(builder, multipliers), {shape[1], shape[2]}),
        std::vector<int64_t>(shape.begin(), shape.end()), {1, 2});
    context->SetOutput(0, XlaRequantize(sums, multiplier, {output_zero_point_, -128, 127}));
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

  float scale_ratio_;
  int32_t input_zero_point_, output_zero_point_;
};

class XlaMaxPool : public XlaPool {
 public:
  using XlaPool::XlaPool;

  void Compile(XlaOpKernelContext* context) override {
    xla::XlaBuilder* builder = context->Input(0).builder();
    context->SetOutput(0, Reduce(context, context->Input(0), xla::MinValue(builder, xla::S8),
                                 xla::CreateScalarMaxComputation(xla::S8, builder)));
  }
};

KERASOPT_REGISTER_XLA("KerasoptQuantizedAdd", XlaQuantizedAdd);
KERASOPT_REGISTER_XLA("KerasoptQuantizedMultiply", XlaQuantizedMultiply);
KERASOPT_REGISTER_XLA("KerasoptQuantizedMean", XlaQuantizedMean);
KERASOPT_REGISTER_XLA("KerasoptQuantizedAveragePool", XlaQuantizedAveragePool);
KERASOPT_REGISTER_XLA("KerasoptMaxPool", XlaMaxPool);

}  // namespace
}  // namespace kerasopt
