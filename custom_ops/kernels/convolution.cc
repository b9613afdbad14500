#include "kernels/convolution.h"

#include <algorithm>
#include <vector>

#include "kernels/dispatch.h"
#include "kernels/scratch.h"
#include "kernels/window_rows.h"

namespace kerasopt {
namespace {

// Lines that stay in the second-level cache while channels pass over them.
constexpr int64_t kDepthwiseBytes = 96 * 1024;

// Whether the pixels that a kernel line covers lie side by side.
bool IsMerged(const ConvolutionShape& shape, int64_t groups) {
  return groups == 1 && (shape.width.dilation == 1 || shape.width.kernel == 1);
}

// Repeats every value, as the channels of a depthwise convolution with several outputs each.
template <typename T>
std::vector<T> Repeated(const T* x, int64_t count, int64_t times) {
  std::vector<T> repeated(count * times);
  for (int64_t i = 0; i < count; ++i) std::fill_n(repeated.begin() + i * times, times, x[i]);
  return repeated;
}

// A depthwise convolution of lines that are copied in its way.
template <typename T, typename Output>
struct DepthwiseLoop {
  void (*run)(const DepthwiseBlock& block, const int8_t* kernel, const Output& output, T* out);
  Copy copy;
};

DepthwiseLoop<int8_t, Requantization> LoopOf(const DepthwiseBlock& block, const Requantization&) {
  const KernelTable& kernels = Kernels();
  if (kernels.depthwise != nullptr && kernels.depthwise->supports(block)) {
    return {kernels.depthwise->run, CopyOf(kernels.gemm)};
  }
  return {kernels.loops.depthwise, kPlainCopy<int8_t>};
}

DepthwiseLoop<int16_t, Int16Requantization> LoopOf(const DepthwiseBlock&,
                                                   const Int16Requantization&) {
  return {Kernels().loops.depthwise_int16, kPlainCopy<int16_t>};
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

template <typename T, typename Output>
void QuantizedDepthwiseConv2D(const T* x, const ConvolutionShape& single, int64_t depth_multiplier,
                              const int8_t* kernel, int8_t zero_point, const Output& output,
                              T* out, const ParallelFor& parallel_for) {
  ConvolutionShape shape = single;
  const Window &height = shape.height, &width = shape.width;
  std::vector<T> repeated;
  if (depth_multiplier > 1) {
    const int64_t count = shape.batch * height.input * width.input * shape.channels;
    repeated = Repeated(x, count, depth_multiplier);
    x = repeated.data();
    shape.channels *= depth_multiplier;
  }
  DepthwiseBlock block = {nullptr,       0,
                          shape.channels, 0,
                          width.output,  height.kernel,
                          width.kernel,  height.stride,
                          width.stride,  height.dilation,
                          width.dilation, zero_point};
  const DepthwiseLoop<T, Output> loop = LoopOf(block, output);
  const ImageLines lines(shape, loop.copy, zero_point);
  block.line_stride = lines.line_bytes() / loop.copy.value_bytes;
  const int64_t image_size = height.input * width.input * shape.channels;
  const int64_t block_lines = lines.LinesOf(kDepthwiseBytes);

  const auto body = [&](int64_t begin, int64_t end) {
    char* scratch = Scratch(lines.Bytes(std::min(block_lines, height.output)));
    while (begin < end) {
      const int64_t image = begin / height.output, first = begin % height.output;
      const int64_t count = std::min({end - begin, height.output - first, block_lines});
      lines.Load(x + image * image_size, first, first + count, scratch);
      DepthwiseBlock loaded = block;
      loaded.image = scratch;
      loaded.lines = count;
      loop.run(loaded, kernel, output, out + begin * width.output * shape.channels);
      begin += count;
    }
  };
  const int64_t taps = height.kernel * width.kernel;
  parallel_for.Run(shape.batch * height.output, width.output * taps * shape.channels / 16, body);
}

template void QuantizedDepthwiseConv2D(const int8_t*, const ConvolutionShape&, int64_t, const int8_t*,
                                       int8_t, const Requantization&, int8_t*, const ParallelFor&);
template void QuantizedDepthwiseConv2D(const int16_t*, const ConvolutionShape&, int64_t,
                                       const int8_t*, int8_t, const Int16Requantization&, int16_t*,
                                       const ParallelFor&);

}  // namespace kerasopt
