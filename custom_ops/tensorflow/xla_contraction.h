// What the XLA kernels with weights share: s8 operands, s32 sums.

#ifndef KERASOPT_TENSORFLOW_XLA_CONTRACTION_H_
#define KERASOPT_TENSORFLOW_XLA_CONTRACTION_H_

#include <vector>

#include "xla/hlo/builder/lib/arithmetic.h"
#include "xla/hlo/builder/lib/constants.h"
#include "xla_support.h"

namespace kerasopt {

inline std::vector<int64_t> Dimensions(xla::XlaOp op) {
  const auto dimensions = op.builder()->GetShape(op)->dimensions();
  return std::vector<int64_t>(dimensions.begin(), dimensions.end());
}

// x (..., depth) times kernel (depth, columns).
inline xla::XlaOp MatMul(xla::XlaOp x, xla::XlaOp kernel, xla::PrimitiveType sums) {
  xla::DotDimensionNumbers numbers;
  numbers.add_lhs_contracting_dimensions(static_cast<int64_t>(Dimensions(x).size()) - 1);
  numbers.add_rhs_contracting_dimensions(0);
  return xla::DotGeneral(x, kernel, numbers, nullptr, sums);
}

class XlaContraction : public tensorflow::XlaOpKernel {
 public:
  explicit XlaContraction(tensorflow::OpKernelConstruction* context) : XlaOpKernel(context) {
    OP_REQUIRES_OK(context, context->GetAttr("input_zero_point", &input_zero_point_));
    OP_REQUIRES_OK(context, context->GetAttr("output_zero_point", &output_.zero_point));
    OP_REQUIRES_OK(context, context->GetAttr("output_min", &output_.min));
    OP_REQUIRES_OK(context, context->GetAttr("output_max", &output_.max));
  }

 protected:
  // Sums of x * kernel to the output: adds the bias, corrects for the zero point of x with the
  // sums of the kernel over its axes `reduced`, and requantizes.
  xla::XlaOp Finish(xla::XlaOp sums, xla::XlaOp kernel, absl::Span<const int64_t> reduced,
                    xla::XlaOp bias, xla::XlaOp multiplier) const {
    xla::XlaBuilder* builder = sums.builder();
    xla::XlaOp kernel_sums = xla::Reduce(
        xla::ConvertElementType(kernel, xla::S32), xla::Zero(builder, xla::S32),
        xla::CreateScalarAddComputation(xla::S32, builder), reduced);
    kernel_sums = xla::Reshape(kernel_sums, Dimensions(bias));
    const xla::XlaOp offset =
        bias - kernel_sums * xla::ConstantR0<int32_t>(builder, input_zero_point_);
    const std::vector<int64_t> shape = Dimensions(sums);
    const int64_t last = static_cast<int64_t>(shape.size()) - 1;
    return XlaRequantize(sums + xla::BroadcastInDim(offset, shape, {last}),
                         xla::BroadcastInDim(multiplier, shape, {last}), output_);
  }

  int32_t input_zero_point_;

 private:
  XlaOutputQuantization output_;
};

}  // namespace kerasopt

#endif  // KERASOPT_TENSORFLOW_XLA_CONTRACTION_H_
