#include "kernels/depthwise/depthwise.h"

#include <algorithm>
#include <vector>

#include "kernels/common/scratch.h"
#include "kernels/dispatch.h"
#include "kernels/gemm/activations.h"

namespace kerasopt {
namespace {

// Lines that stay in the second-level cache while channels pass over them.
constexpr int64_t kDepthwiseBytes = 96 * 1024;

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
  return {kernels.loops.depthwise.int8, kPlainCopy<int8_t>};
}

DepthwiseLoop<int16_t, Int16Requantization> LoopOf(const DepthwiseBlock&,
                                                   const Int16Requantization&) {
  return {Kernels().loops.depthwise.int16, kPlainCopy<int16_t>};
}

}  // namespace

template <typename T, typename Output>
void QuantizedDepthwiseConv2D(const T* x, const ConvolutionShape& single, int64_t depth_multiplier,
                              const int8_t* kernel, int8_t zero_point, const Output& output, T* out,
                              const ParallelFor& parallel_for) {
  ConvolutionShape shape = single;
  const Window &height = shape.height, &width = shape.width;
  std::vector<T> repeated;
  if (depth_multiplier > 1) {
    const int64_t count = shape.batch * height.input * width.input * shape.channels;
    repeated = Repeated(x, count, depth_multiplier);
    x = repeated.data();
    shape.channels *= depth_multiplier;
  }
  DepthwiseBlock block = {nullptr,        0,
                          shape.channels, 0,
                          width.output,   height.kernel,
                          width.kernel,   height.stride,
                          width.stride,   height.dilation,
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

template void QuantizedDepthwiseConv2D(const int8_t*, const ConvolutionShape&, int64_t,
                                       const int8_t*, int8_t, const Requantization&, int8_t*,
                                       const ParallelFor&);
template void QuantizedDepthwiseConv2D(const int16_t*, const ConvolutionShape&, int64_t,
                                       const int8_t*, int8_t, const Int16Requantization&, int16_t*,
                                       const ParallelFor&);

}  // namespace kerasopt
