#include "kernels/binary/binary.h"

#include <algorithm>
#include <cstring>

#include "kernels/gemm/gemm.h"

namespace kerasopt {
namespace {

constexpr int64_t kWordBits = 32;
// Lines of one block stay in the second-level cache while panels pass over them.
constexpr int64_t kBlockBytes = 128 * 1024;
constexpr int64_t kMostRows = 96;

// Pixels of the kernel, from begin to end, that lie inside of an axis of the image.
struct Inside {
  int64_t begin, end;

  bool operator==(const Inside& other) const { return begin == other.begin && end == other.end; }
};

Inside InsideOf(const Window& window, int64_t output) {
  const int64_t first = output * window.stride - window.pad_before;
  const auto steps = [&](int64_t distance) {
    return std::clamp<int64_t>(CeilDivide(std::max<int64_t>(distance, 0), window.dilation), 0,
                               window.kernel);
  };
  const int64_t begin = steps(-first);
  return {begin, std::max(begin, steps(window.input - first))};
}

// Blocks of output lines of one image. Scratch memory has the ones that are the scales of its rows,
// and the bits of the lines, a whole number of words for each pixel.
class SignRows : public RowBlocks {
 public:
  SignRows(const float* x, const ConvolutionShape& shape, const BinaryKernel& kernel, int threads)
      : x_(x), shape_(shape), kernels_(kernel.kernels()) {
    const Window &height = shape.height, &width = shape.width;
    pixel_bytes_ = CeilDivide(shape.channels, kWordBits) * sizeof(uint32_t);
    line_bytes_ = (width.pad_before + width.input + width.pad_after) * pixel_bytes_;
    const int64_t needed = NeededBlocks(kernel.shape().panels(), threads);
    const int64_t balanced = CeilDivide(shape.batch * height.output, needed);
    const int64_t fitting = (kBlockBytes / line_bytes_ - height.span()) / height.stride + 1;
    const int64_t few = CeilDivide(kMostRows, width.output);
    block_lines_ = std::max<int64_t>(std::min({fitting, few, balanced, height.output}), 1);
    image_blocks_ = CeilDivide(height.output, block_lines_);
  }

  int64_t blocks() const override { return shape_.batch * image_blocks_; }
  int64_t largest_block() const override { return block_lines_ * shape_.width.output; }

  int64_t scratch_bytes() const override {
    return largest_block() * sizeof(float) + InputLines(block_lines_) * line_bytes_;
  }

  int64_t Load(int64_t block, char* scratch, const char** rows) const override {
    const Window &height = shape_.height, &width = shape_.width;
    const int64_t begin = first_line(block);
    const int64_t lines = std::min(block_lines_, height.output - begin);
    std::fill_n(reinterpret_cast<float*>(scratch), largest_block(), 1.0f);
    char* bits = scratch + largest_block() * sizeof(float);
    std::memset(bits, 0, InputLines(lines) * line_bytes_);
    const float* image = x_ + block / image_blocks_ * height.input * width.input * shape_.channels;
    for (int64_t i = 0; i < InputLines(lines); ++i) {
      const int64_t line = begin * height.stride - height.pad_before + i;
      if (line < 0 || line >= height.input) continue;
      LoadLine(image + line * width.input * shape_.channels,
               bits + i * line_bytes_ + width.pad_before * pixel_bytes_);
    }
    for (int64_t line = 0; line < lines; ++line) {
      const char* start = bits + line * height.stride * line_bytes_;
      for (int64_t pixel = 0; pixel < width.output; ++pixel) {
        *rows++ = start + pixel * width.stride * pixel_bytes_;
      }
    }
    return lines * width.output;
  }

  // The line of its image that a block begins with.
  int64_t first_line(int64_t block) const { return block % image_blocks_ * block_lines_; }

  int64_t first_row(int64_t block) const override {
    const int64_t line = block / image_blocks_ * shape_.height.output + first_line(block);
    return line * shape_.width.output;
  }

  void SetRunOffsets(int64_t* offsets) const override {
    for (int64_t i = 0; i < shape_.height.kernel; ++i) {
      for (int64_t j = 0; j < shape_.width.kernel; ++j) {
        *offsets++ =
            i * shape_.height.dilation * line_bytes_ + j * shape_.width.dilation * pixel_bytes_;
      }
    }
  }

  int64_t group_bytes() const override { return 0; }

 private:
  int64_t InputLines(int64_t count) const {
    return (count - 1) * shape_.height.stride + shape_.height.span();
  }

  void LoadLine(const float* line, char* out) const {
    const int64_t channels = shape_.channels, count = shape_.width.input * channels;
    uint8_t* bits = reinterpret_cast<uint8_t*>(out);
    // Pixels of whole words lie side by side.
    const int64_t step = channels % kWordBits == 0 ? count : channels;
    for (int64_t at = 0; at < count; at += step) {
      kernels_.loops.sign_bits(line + at, step, bits);
      bits += pixel_bytes_;
    }
  }

  const float* x_;
  const ConvolutionShape& shape_;
  const KernelTable& kernels_;
  int64_t pixel_bytes_, line_bytes_, block_lines_, image_blocks_;
};

// Calls body(first pixel, end, inside) for the pixels of a line that have the same window inside.
template <typename Body>
void ForSegments(const Window& width, const Body& body) {
  for (int64_t begin = 0, end; begin < width.output; begin = end) {
    const Inside inside = InsideOf(width, begin);
    for (end = begin + 1; end < width.output && InsideOf(width, end) == inside;) ++end;
    body(begin, end, inside);
  }
}

// What sums begin with: as many products as are inside, without those of the pixels outside, whose
// bits are clear.
void SetFirst(const BinaryKernel& kernel, const ConvolutionShape& shape, const Inside& height,
              const Inside& width, const ReadyPanel& at, int32_t* first) {
  const int64_t all = kernel.shape().runs * shape.channels;
  std::fill_n(first, at.panel.width, static_cast<int32_t>(all));
  for (int64_t i = 0; i < shape.height.kernel; ++i) {
    const bool is_line_inside = i >= height.begin && i < height.end;
    for (int64_t j = 0; j < shape.width.kernel; ++j) {
      if (is_line_inside && j >= width.begin && j < width.end) continue;
      const int32_t* sums = kernel.sums(i * shape.width.kernel + j, at.index);
      for (int c = 0; c < at.panel.width; ++c) first[c] -= sums[c];
    }
  }
  for (int c = 0; c < at.panel.width; ++c) first[c] *= 1 << kSumBits;
}

}  // namespace

BinaryKernel::BinaryKernel(const KernelTable& kernels, const PackedShape& shape,
                           const int8_t* packed, const float* scale, const float* bias)
    : PackedWeights(kernels, shape, packed),
      sums_(shape.runs * shape.width(), static_cast<int32_t>(shape.depth)),
      scale_(shape.width(), 1.0f),
      bias_(shape.width(), 0.0f) {
  for (int64_t j = 0; j < shape.columns; ++j) {
    scale_[j] = scale[j] / (1 << kSumBits);
    bias_[j] = bias[j];
  }
  const int64_t run_quads = shape.quads() / shape.runs;
  for (int64_t p = 0; p < shape.panels(); ++p) {
    const Panel panel = PanelOf(packed, shape, 0, p);
    for (int64_t quad = 0; quad < shape.quads(); ++quad) {
      int32_t* sums = sums_.data() + quad / run_quads * shape.width() + p * kPanelColumns;
      for (int j = 0; j < panel.width; ++j) {
        uint32_t bits;
        std::memcpy(&bits, panel.weights + quad * panel.quad_bytes + j * 4, sizeof(bits));
        sums[j] -= 2 * __builtin_popcount(bits);
      }
    }
  }
}

FloatScaling BinaryKernel::scaling(int64_t panel, const float* ones) const {
  const int64_t first = panel * kPanelColumns;
  return {ones, scale_.data() + first, bias_.data() + first};
}

void BinaryConv2D(const float* x, const ConvolutionShape& shape, const BinaryKernel& kernel,
                  float* out, const ParallelFor& parallel_for) {
  const int64_t columns = kernel.shape().columns, pixels = shape.width.output;
  const SignRows left(x, shape, kernel, parallel_for.threads());
  const bool is_padded = shape.height.pad_before + shape.height.pad_after + shape.width.pad_before +
                             shape.width.pad_after >
                         0;
  const auto body = [&](const LeftOperand& operand, const LoadedRows& loaded,
                        const ReadyPanel& at) {
    alignas(64) int32_t first[kPanelColumns];
    const auto multiply = [&](int64_t row, int64_t count) {
      const FloatScaling scaling =
          kernel.scaling(at.index, reinterpret_cast<const float*>(loaded.scratch));
      kernel.kernels().binary(
          {operand.rows + row, operand.run_offsets, operand.runs, operand.quads}, count, at.panel,
          first, scaling, out + (loaded.first + row) * columns + at.index * kPanelColumns, columns);
    };
    if (!is_padded) {
      SetFirst(kernel, shape, {0, shape.height.kernel}, {0, shape.width.kernel}, at, first);
      return multiply(0, loaded.count);
    }
    for (int64_t row = 0; row < loaded.count; row += pixels) {
      const int64_t line = (loaded.first + row) / pixels % shape.height.output;
      const Inside height = InsideOf(shape.height, line);
      ForSegments(shape.width, [&](int64_t begin, int64_t end, const Inside& width) {
        SetFirst(kernel, shape, height, width, at, first);
        multiply(row + begin, end - begin);
      });
    }
  };
  ForPanels(left, kernel.shape(), kernel.packed(), false, parallel_for, body);
}

}  // namespace kerasopt
