// XLA kernels of the integer convolutions.

#include <vector>

#include "kernels/depthwise/table.h"
#include "op_weights.h"
#include "xla_contraction.h"
#include "xla_packed.h"

namespace kerasopt {
namespace {

// Convolves with an int8 kernel, as `window` has it.
class XlaConvolution : public XlaContraction {
 public:
  using XlaContraction::XlaContraction;

 protected:
  xla::XlaOp ConvolveIntegers(XlaOpKernelContext* context, const XlaWindow& window,
                              const ConvolutionShape& image, xla::XlaOp filter, int64_t filters,
                              int64_t groups) const {
    const auto sum = [&](xla::XlaOp x, xla::XlaOp kernel, int32_t zero) {
      const xla::XlaOp padding =
          xla::ConvertElementType(Scalar(x, zero), x.builder()->GetShape(x)->element_type());
      return window.Convolve(x, image, kernel, groups, padding, xla::S32);
    };
    return Contract(context->Input(0), filter, {0, 1, 2}, Words(context, 1, filters, xla::S32),
                    Multipliers(context, filters), sum);
  }
};

class XlaQuantizedConv2D : public XlaPackedConv2D<XlaConvolution> {
 public:
  explicit XlaQuantizedConv2D(OpKernelConstruction* context) : XlaPackedConv2D(context, false) {}

 protected:
  Status CheckSum(int64_t products) const override {
    return CheckProducts(products, kMostInt16Products);
  }

  xla::XlaOp Convolve(XlaOpKernelContext* context, const ConvolutionShape& image, xla::XlaOp kernel,
                      int64_t filters, int64_t groups) const override {
    return ConvolveIntegers(context, window_, image, kernel, filters, groups);
  }
};

class XlaQuantizedDepthwiseConv2D : public XlaConvolution {
 public:
  explicit XlaQuantizedDepthwiseConv2D(OpKernelConstruction* context) : XlaConvolution(context) {
    OP_REQUIRES_OK(context, GetKernelShape(context, 4, &kernel_shape_));
    OP_REQUIRES_OK(context, window_.Init(context));
  }

  void Compile(XlaOpKernelContext* context) override {
    const int64_t height = kernel_shape_[0], width = kernel_shape_[1];
    const int64_t channels = kernel_shape_[2], filters = channels * kernel_shape_[3];
    const int64_t values = height * width * filters;
    ConvolutionShape image;
    OP_REQUIRES_OK(context, window_.GetShape(context, kernel_shape_, channels, &image));
    OP_REQUIRES_OK(context, CheckWeights(InputShape(context, 1), PackedBytes(values, filters)));
    OP_REQUIRES_OK(context, CheckProducts(height * width, kMostInt16Taps));
    const xla::XlaOp kernel = xla::SliceInDim(context->Input(1), 0, values, 1, 0);
    const xla::XlaOp filter = xla::Reshape(kernel, {height, width, 1, filters});
    context->SetOutput(0, ConvolveIntegers(context, window_, image, filter, filters, channels));
  }

 private:
  std::vector<int64_t> kernel_shape_;
  XlaWindow window_;
};

KERASOPT_REGISTER_XLA("KerasoptQuantizedConv2D", XlaQuantizedConv2D);
KERASOPT_REGISTER_XLA("KerasoptQuantizedDepthwiseConv2D", XlaQuantizedDepthwiseConv2D);

}  // namespace
}  // namespace kerasopt
