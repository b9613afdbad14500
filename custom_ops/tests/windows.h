// Windows of convolutions, and what they cover.

#ifndef KERASOPT_TESTS_WINDOWS_H_
#define KERASOPT_TESTS_WINDOWS_H_

#include "kernels/common/image_lines.h"

namespace kerasopt {

struct Axis {
  int64_t input, kernel, stride, dilation;
  bool same;
  int64_t before = 0, after = 0;

  Window window() const {
    return MakeWindow(input, kernel, stride, dilation, {same, before, after});
  }
};

// Calls visit(position of the first channel, index of the tap) for what an output pixel reads
// inside of its image.
template <typename Visit>
void ForTaps(const ConvolutionShape& shape, int64_t pixel, const Visit& visit) {
  const Window &height = shape.height, &width = shape.width;
  const int64_t line = pixel / width.output, image = line / height.output;
  for (int64_t i = 0; i < height.kernel; ++i) {
    const int64_t row =
        line % height.output * height.stride - height.pad_before + i * height.dilation;
    for (int64_t j = 0; j < width.kernel; ++j) {
      const int64_t column =
          pixel % width.output * width.stride - width.pad_before + j * width.dilation;
      if (row < 0 || row >= height.input || column < 0 || column >= width.input) continue;
      visit(((image * height.input + row) * width.input + column) * shape.channels,
            i * width.kernel + j);
    }
  }
}

}  // namespace kerasopt

#endif  // KERASOPT_TESTS_WINDOWS_H_
