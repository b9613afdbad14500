// XLA kernels of sums and products of two integer tensors.

#include <numeric>
#include <vector>

#include "kernels/common/broadcast.h"
#include "pair_attributes.h"
#include "xla/hlo/builder/lib/arithmetic.h"
#include "xla_support.h"

namespace kerasopt {
namespace {

// What sums and products share: inputs x0 and x1, whose shapes broadcast.
class XlaPair : public XlaOpKernel {
 public:
  using XlaOpKernel::XlaOpKernel;

  void Compile(XlaOpKernelContext* context) override {
    std::vector<int64_t> shape;
    OP_REQUIRES(context,
                BroadcastShape(InputDimensions(context, 0), InputDimensions(context, 1), &shape),
                InvalidArgument("x0 and x1 must have shapes that broadcast. Received: x0.shape=",
                                InputShape(context, 0).DebugString(),
                                ", x1.shape=", InputShape(context, 1).DebugString()));
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
    const xla::XlaOp products =
        xla::Mul(Centred(context, 0, p.zero_point0), Centred(context, 1, p.zero_point1), shared);
    const int32_t point = p.output_zero_point;
    return XlaRequantize(
        products, Scalar(products, p.multiplier),
        {point, static_cast<int32_t>(p.min) + point, static_cast<int32_t>(p.max) + point});
  }

 private:
  ProductParameters parameters_ = {};
};

KERASOPT_REGISTER_XLA("KerasoptQuantizedAdd", XlaQuantizedAdd);
KERASOPT_REGISTER_XLA("KerasoptQuantizedMultiply", XlaQuantizedMultiply);

}  // namespace
}  // namespace kerasopt
