// Lines of an image with the padding of a convolution around them, side by side in scratch memory.

#ifndef KERASOPT_KERNELS_COMMON_IMAGE_LINES_H_
#define KERASOPT_KERNELS_COMMON_IMAGE_LINES_H_

#include <cstdint>

#include "kernels/common/copy.h"

namespace kerasopt {

// One spatial axis of a convolution.
struct Window {
  int64_t input, kernel, stride, dilation;
  int64_t output, pad_before, pad_after;

  int64_t span() const { return (kernel - 1) * dilation + 1; }
};

// Padding before and after an axis, or as much as "same" needs.
struct Padding {
  bool same;
  int64_t before, after;
};

// Output size and padding of an axis; output is 0 if the dilated kernel does not fit.
Window MakeWindow(int64_t input, int64_t kernel, int64_t stride, int64_t dilation,
                  const Padding& padding);

struct ConvolutionShape {
  int64_t batch, channels;
  Window height, width;

  int64_t pixels() const { return batch * height.output * width.output; }
};

// The lines that some of a convolution's output lines read.
class ImageLines {
 public:
  ImageLines(const ConvolutionShape& shape, const Copy& copy, int8_t padding);

  // Bytes of scratch memory for `count` output lines.
  int64_t Bytes(int64_t count) const;
  // Output lines, at least 1, whose input lines take about `bytes`.
  int64_t LinesOf(int64_t bytes) const;

  // Writes what output lines [begin, end) of an image read; they lie `line_bytes()` apart.
  void Load(const void* image, int64_t begin, int64_t end, char* out) const;

  int64_t pixel_bytes() const { return shape_.channels * copy_.value_bytes; }
  int64_t line_bytes() const { return line_bytes_; }

 private:
  int64_t InputLines(int64_t count) const;

  const ConvolutionShape& shape_;
  const Copy copy_;
  const int8_t padding_;
  int64_t line_bytes_;
};

}  // namespace kerasopt

#endif  // KERASOPT_KERNELS_COMMON_IMAGE_LINES_H_
