#include "kernels/gemm/convolution.h"

#include "kernels/gemm/window_rows.h"

namespace kerasopt {
namespace {

// Whether the pixels that a kernel line covers lie side by side.
bool IsMerged(const ConvolutionShape& shape, int64_t groups) {
  return groups == 1 && (shape.width.dilation == 1 || shape.width.kernel == 1);
}

}  // namespace

PackedShape PackedConvolution(const ConvolutionShape& shape, int64_t filters, int64_t groups,
                              WeightFormat format) {
  const int64_t channels = shape.channels / groups, width = shape.width.kernel;
  if (IsMerged(shape, groups)) {
    return {groups, shape.height.kernel, width * channels, filters / groups, format};
  }
  return {groups, shape.height.kernel * width, channels, filters / groups, format};
}

bool IsPointwise(const ConvolutionShape& shape, const PackedShape& kernel) {
  const auto is_trivial = [](const Window& window) {
    return window.kernel == 1 && window.stride == 1 && window.output == window.input;
  };
  return is_trivial(shape.height) && is_trivial(shape.width) && kernel.groups == 1;
}

void QuantizedConv2D(const int8_t* x, const ConvolutionShape& shape, const PackedKernel& kernel,
                     const OutputRange& output, int8_t* out, const ParallelFor& parallel_for) {
  if (IsPointwise(shape, kernel.shape())) {
    return QuantizedMatMul(x, shape.pixels(), kernel, output, out, parallel_for);
  }
  Gemm(WindowRows(x, shape, kernel.shape(), CopyOf(kernel.gemm()), kernel.input_zero_point(),
                  parallel_for.threads()),
       kernel, output, out, parallel_for);
}

void QuantizedConv2D(const int16_t* x, const ConvolutionShape& shape, const Int16Kernel& kernel,
                     const OutputRange& output, int16_t* out, const ParallelFor& parallel_for) {
  if (IsPointwise(shape, kernel.shape())) {
    return QuantizedMatMul(x, shape.pixels(), kernel, output, out, parallel_for);
  }
  const auto half = [&](const Copy& copy, int8_t zero) {
    return WindowRows(x, shape, kernel.shape(), copy, zero, parallel_for.threads());
  };
  // The low half of 0 is 0 less 128.
  Gemm(half(CopyHighOf(kernel.gemm()), 0), half(CopyLowOf(kernel.gemm()), -128), kernel, output,
       out, parallel_for);
}

}  // namespace kerasopt
