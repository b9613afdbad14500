// What the windows of a convolution cover, as rows in blocks.

#ifndef KERASOPT_KERNELS_GEMM_WINDOW_ROWS_H_
#define KERASOPT_KERNELS_GEMM_WINDOW_ROWS_H_

#include <algorithm>

#include "kernels/common/image_lines.h"
#include "kernels/gemm/activations.h"
#include "kernels/gemm/gemm.h"

namespace kerasopt {

// Lines of one block stay in the second-level cache while panels pass over them.
constexpr int64_t kWindowBytes = 128 * 1024;

// Blocks of output lines of one image.
class WindowRows : public RowBlocks {
 public:
  WindowRows(const void* x, const ConvolutionShape& shape, const PackedShape& kernel,
             const Copy& copy, int8_t padding, int threads)
      : x_(static_cast<const char*>(x)),
        image_bytes_(shape.height.input * shape.width.input * shape.channels * copy.source_bytes),
        shape_(shape),
        kernel_(kernel),
        lines_(shape, copy, padding) {
    const int64_t needed = NeededBlocks(kernel.groups * kernel.panels(), threads);
    const int64_t balanced = CeilDivide(shape.batch * shape.height.output, needed);
    block_lines_ = std::min({lines_.LinesOf(kWindowBytes), shape.height.output, balanced});
    image_blocks_ = CeilDivide(shape.height.output, block_lines_);
  }

  int64_t blocks() const override { return shape_.batch * image_blocks_; }
  int64_t largest_block() const override { return block_lines_ * shape_.width.output; }
  int64_t scratch_bytes() const override { return lines_.Bytes(block_lines_); }

  int64_t Load(int64_t block, char* scratch, const char** rows) const override {
    const Window &height = shape_.height, &width = shape_.width;
    const int64_t begin = block % image_blocks_ * block_lines_;
    const int64_t end = std::min(begin + block_lines_, height.output);
    lines_.Load(x_ + block / image_blocks_ * image_bytes_, begin, end, scratch);
    for (int64_t line = 0; line < end - begin; ++line) {
      const char* start = scratch + line * height.stride * lines_.line_bytes();
      for (int64_t pixel = 0; pixel < width.output; ++pixel) {
        *rows++ = start + pixel * width.stride * lines_.pixel_bytes();
      }
    }
    return (end - begin) * width.output;
  }

  int64_t first_row(int64_t block) const override {
    const int64_t line =
        block / image_blocks_ * shape_.height.output + block % image_blocks_ * block_lines_;
    return line * shape_.width.output;
  }

  void SetRunOffsets(int64_t* offsets) const override {
    const int64_t runs_per_line = kernel_.runs / shape_.height.kernel;
    for (int64_t run = 0; run < kernel_.runs; ++run) {
      offsets[run] = run / runs_per_line * shape_.height.dilation * lines_.line_bytes() +
                     run % runs_per_line * shape_.width.dilation * lines_.pixel_bytes();
    }
  }

  int64_t group_bytes() const override { return lines_.pixel_bytes() / kernel_.groups; }

 private:
  const char* x_;
  const int64_t image_bytes_;
  const ConvolutionShape& shape_;
  const PackedShape& kernel_;
  const ImageLines lines_;
  int64_t block_lines_, image_blocks_;
};

}  // namespace kerasopt

#endif  // KERASOPT_KERNELS_GEMM_WINDOW_ROWS_H_
