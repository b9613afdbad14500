// What the XLA kernels with weights share: s8 operands, or bytes of s16 ones, and s32 sums.

#ifndef KERASOPT_TENSORFLOW_XLA_CONTRACTION_H_
#define KERASOPT_TENSORFLOW_XLA_CONTRACTION_H_

#include <limits>
#include <vector>

#include "kernels/gemm/int16_matmul.h"
#include "xla/hlo/builder/lib/arithmetic.h"
#include "xla/hlo/builder/lib/constants.h"
#include "xla_support.h"

namespace kerasopt {

class XlaContraction : public XlaOpKernel {
 public:
  explicit XlaContraction(OpKernelConstruction* context) : XlaOpKernel(context) {
    tensorflow::DataType type = tensorflow::DT_INT8;
    if (context->HasAttr("T")) OP_REQUIRES_OK(context, context->GetAttr("T", &type));
    is_int16_ = type == tensorflow::DT_INT16;
    OP_REQUIRES_OK(context, is_int16_ ? GetZeroPointsAndRange<int16_t>(context, &range_)
                                      : GetZeroPointsAndRange<int8_t>(context, &range_));
  }

 protected:
  // Error if so many products may leave the range of their sums.
  Status CheckProducts(int64_t products, int64_t most) const {
    return is_int16_ ? kerasopt::CheckProducts<int16_t>(products, most) : absl::OkStatus();
  }

  // The output for an input x; `sum(x, kernel, zero)` returns the sums of an x, padded with `zero`,
  // times the kernel. The kernel is summed over its axes `reduced`.
  template <typename Sum>
  xla::XlaOp Contract(xla::XlaOp x, xla::XlaOp kernel, absl::Span<const int64_t> reduced,
                      xla::XlaOp bias, xla::XlaOp multiplier, const Sum& sum) const {
    if (!is_int16_) {
      return Finish(sum(x, kernel, range_.input_zero_point), kernel, reduced, bias, multiplier);
    }
    const xla::XlaOp wide = xla::ConvertElementType(x, xla::S32);
    const xla::XlaOp high = xla::ShiftRightArithmetic(wide, Scalar(wide, 8));
    const xla::XlaOp low = wide & Scalar(wide, 255);
    // Not as s8: XLA's CPU compiler makes wrong code of s8 products with what it fuses into them.
    const xla::XlaOp weights = xla::ConvertElementType(kernel, xla::S32);
    return FinishHalves(sum(high, weights, 0), sum(low, weights, 0), Products(kernel, reduced),
                        bias, multiplier);
  }

  // Sums of x * kernel to the output: adds the bias, corrects for the zero point of x with the
  // sums of the kernel over its axes `reduced`, and requantizes.
  xla::XlaOp Finish(xla::XlaOp sums, xla::XlaOp kernel, absl::Span<const int64_t> reduced,
                    xla::XlaOp bias, xla::XlaOp multiplier) const {
    const xla::XlaOp offset =
        bias - KernelSums(kernel, reduced, bias) * Scalar(bias, range_.input_zero_point);
    return XlaRequantize(sums + OfColumns(offset, sums), OfColumns(multiplier, sums),
                         range_.output);
  }

 private:
  static xla::XlaOp OfColumns(xla::XlaOp vector, xla::XlaOp sums) {
    const std::vector<int64_t> shape = Dimensions(sums);
    return xla::BroadcastInDim(vector, shape, {static_cast<int64_t>(shape.size()) - 1});
  }

  static xla::XlaOp KernelSums(xla::XlaOp kernel, absl::Span<const int64_t> reduced,
                               xla::XlaOp bias) {
    xla::XlaBuilder* builder = kernel.builder();
    const xla::XlaOp sums =
        xla::Reduce(xla::ConvertElementType(kernel, xla::S32), xla::Zero(builder, xla::S32),
                    xla::CreateScalarAddComputation(xla::S32, builder), reduced);
    return xla::Reshape(sums, Dimensions(bias));
  }

  static int64_t Products(xla::XlaOp kernel, absl::Span<const int64_t> reduced) {
    const std::vector<int64_t> shape = Dimensions(kernel);
    int64_t products = 1;
    for (int64_t axis : reduced) products *= shape[axis];
    return products;
  }

  // The steps of kernels/gemm/int16_matmul.cc.
  xla::XlaOp FinishHalves(xla::XlaOp high, xla::XlaOp low, int64_t products, xla::XlaOp bias,
                          xla::XlaOp multiplier) const {
    const int32_t shift = Int16Shift(products);
    const xla::XlaOp low_bias = (bias & Scalar(bias, 255)) + Scalar(bias, 1 << (shift - 1));
    high = high + OfColumns(xla::ShiftRightArithmetic(bias, Scalar(bias, 8)), high);
    low = low + OfColumns(low_bias, low);
    const xla::XlaOp sums = xla::ShiftLeft(high, Scalar(high, 8 - shift)) +
                            xla::ShiftRightArithmetic(low, Scalar(low, shift));
    const float step = static_cast<float>(1 << shift);
    const float largest = std::numeric_limits<float>::max() / step;
    const xla::XlaOp scaled =
        xla::Min(multiplier, Scalar(multiplier, largest)) * Scalar(multiplier, step);
    return XlaRequantize(sums, OfColumns(scaled, sums), range_.output, xla::S16);
  }

  bool is_int16_;
  ZeroPointsAndRange range_;
};

}  // namespace kerasopt

#endif  // KERASOPT_TENSORFLOW_XLA_CONTRACTION_H_
