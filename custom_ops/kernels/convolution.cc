#include "kernels/convolution.h"

#include <algorithm>
#include <vector>

#include "kernels/dispatch.h"
#include "kernels/scratch.h"

namespace kerasopt {
namespace {

// Lines of one block stay in the second-level cache while panels pass over them.
constexpr int64_t kBlockBytes = 128 * 1024;
// Lines that stay in the second-level cache while channels pass over them.
constexpr int64_t kDepthwiseBytes = 96 * 1024;

// Whether the pixels that a kernel line covers lie side by side.
bool IsMerged(const ConvolutionShape& shape, int64_t groups) {
  return groups == 1 && (shape.width.dilation == 1 || shape.width.kernel == 1);
}

// Whether the output pixels read the input pixels one by one.
bool IsPointwise(const ConvolutionShape& shape, const PackedShape& kernel) {
  const auto is_trivial = [](const Window& window) {
    return window.kernel == 1 && window.stride == 1 && window.output == window.input;
  };
  return is_trivial(shape.height) && is_trivial(shape.width) && kernel.groups == 1;
}

Copy CopyOf(const GemmKernel& gemm) { return {gemm.activation_bytes, gemm.convert, gemm.fill}; }

// Blocks of output lines of one image.
class WindowRows : public RowBlocks {
 public:
  WindowRows(const int8_t* x, const ConvolutionShape& shape, const PackedShape& kernel,
             const GemmKernel& gemm, int8_t zero_point, int threads)
      : x_(x),
        shape_(shape),
        kernel_(kernel),
        lines_(shape, CopyOf(gemm), zero_point) {
    const int64_t needed = NeededBlocks(kernel.groups * kernel.panels(), threads);
    const int64_t balanced = CeilDivide(shape.batch * shape.height.output, needed);
    block_lines_ = std::min({lines_.LinesOf(kBlockBytes), shape.height.output, balanced});
    image_blocks_ = CeilDivide(shape.height.output, block_lines_);
  }

  int64_t blocks() const override { return shape_.batch * image_blocks_; }
  int64_t largest_block() const override { return block_lines_ * shape_.width.output; }
  int64_t scratch_bytes() const override { return lines_.Bytes(block_lines_); }

  int64_t Load(int64_t block, char* scratch, const char** rows) const override {
    const Window &height = shape_.height, &width = shape_.width;
    const int64_t begin = block % image_blocks_ * block_lines_;
    const int64_t end = std::min(begin + block_lines_, height.output);
    const int64_t image_size = height.input * width.input * shape_.channels;
    lines_.Load(x_ + block / image_blocks_ * image_size, begin, end, scratch);
    for (int64_t line = 0; line < end - begin; ++line) {
      const char* start = scratch + line * height.stride * lines_.line_bytes();
      for (int64_t pixel = 0; pixel < width.output; ++pixel) {
        *rows++ = start + pixel * width.stride * lines_.pixel_bytes();
      }
    }
    return (end - begin) * width.output;
  }

  int64_t first_row(int64_t block) const override {
    const int64_t line = block / image_blocks_ * shape_.height.output +
                         block % image_blocks_ * block_lines_;
    return line * shape_.width.output;
  }

  void SetRunOffsets(int64_t* offsets) const override {
    const int64_t runs_per_line = kernel_.runs / shape_.height.kernel;
    for (int64_t run = 0; run < kernel_.runs; ++run) {
      offsets[run] =
          run / runs_per_line * shape_.height.dilation * lines_.line_bytes() +
          run % runs_per_line * shape_.width.dilation * lines_.pixel_bytes();
    }
  }

  int64_t group_bytes() const override { return lines_.pixel_bytes() / kernel_.groups; }

 private:
  const int8_t* x_;
  const ConvolutionShape& shape_;
  const PackedShape& kernel_;
  const ImageLines lines_;
  int64_t block_lines_, image_blocks_;
};

// Repeats every value, as the channels of a depthwise convolution with several outputs each.
std::vector<int8_t> Repeated(const int8_t* x, int64_t count, int64_t times) {
  std::vector<int8_t> repeated(count * times);
  for (int64_t i = 0; i < count; ++i) std::fill_n(repeated.begin() + i * times, times, x[i]);
  return repeated;
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

void QuantizedConv2D(const int8_t* x, const ConvolutionShape& shape, const PackedKernel& kernel,
                     int8_t zero_point, const OutputRange& output, int8_t* out,
                     const ParallelFor& parallel_for) {
  const Window &height = shape.height, &width = shape.width;
  if (IsPointwise(shape, kernel.shape())) {
    return QuantizedMatMul(x, shape.batch * height.output * width.output, kernel, output, out,
                           parallel_for);
  }
  Gemm(WindowRows(x, shape, kernel.shape(), kernel.gemm(), zero_point, parallel_for.threads()),
       kernel, output, out, parallel_for);
}

void QuantizedDepthwiseConv2D(const int8_t* x, const ConvolutionShape& single,
                              int64_t depth_multiplier, const int8_t* kernel, int8_t zero_point,
                              const Requantization& requantization, int8_t* out,
                              const ParallelFor& parallel_for) {
  ConvolutionShape shape = single;
  const Window &height = shape.height, &width = shape.width;
  std::vector<int8_t> repeated;
  if (depth_multiplier > 1) {
    const int64_t count = shape.batch * height.input * width.input * shape.channels;
    repeated = Repeated(x, count, depth_multiplier);
    x = repeated.data();
    shape.channels *= depth_multiplier;
  }
  const KernelTable& kernels = Kernels();
  DepthwiseBlock block = {nullptr,       0,
                          shape.channels, 0,
                          width.output,  height.kernel,
                          width.kernel,  height.stride,
                          width.stride,  height.dilation,
                          width.dilation, zero_point};
  const bool is_fast = kernels.depthwise != nullptr && kernels.depthwise->supports(block);
  const auto depthwise = is_fast ? kernels.depthwise->run : kernels.loops.depthwise;
  const ImageLines lines(shape, is_fast ? CopyOf(kernels.gemm) : kPlainCopy, zero_point);
  block.line_stride = lines.line_bytes();
  const int64_t image_size = height.input * width.input * shape.channels;
  const int64_t block_lines = lines.LinesOf(kDepthwiseBytes);

  const auto body = [&](int64_t begin, int64_t end) {
    char* scratch = Scratch(lines.Bytes(std::min(block_lines, height.output)));
    while (begin < end) {
      const int64_t image = begin / height.output, first = begin % height.output;
      const int64_t count = std::min({end - begin, height.output - first, block_lines});
      lines.Load(x + image * image_size, first, first + count, scratch);
      DepthwiseBlock loaded = block;
      loaded.image = reinterpret_cast<const int8_t*>(scratch);
      loaded.lines = count;
      depthwise(loaded, kernel, requantization, out + begin * width.output * shape.channels);
      begin += count;
    }
  };
  const int64_t taps = height.kernel * width.kernel;
  parallel_for.Run(shape.batch * height.output, width.output * taps * shape.channels / 16, body);
}

}  // namespace kerasopt
