#include "kernels/common/image_lines.h"

#include <algorithm>

namespace kerasopt {

Window MakeWindow(int64_t input, int64_t kernel, int64_t stride, int64_t dilation,
                  const Padding& padding) {
  Window window = {input, kernel, stride, dilation, 0, padding.before, padding.after};
  if (padding.same) {
    window.output = (input + stride - 1) / stride;
    const int64_t total =
        std::max<int64_t>((window.output - 1) * stride + window.span() - input, 0);
    window.pad_before = total / 2;
    window.pad_after = total - total / 2;
  } else if (input > 0) {
    const int64_t room = padding.before + input + padding.after - window.span();
    if (room >= 0) window.output = room / stride + 1;
  }
  return window;
}

ImageLines::ImageLines(const ConvolutionShape& shape, const Copy& copy, int8_t padding)
    : shape_(shape), copy_(copy), padding_(padding) {
  const Window& width = shape.width;
  line_bytes_ = (width.pad_before + width.input + width.pad_after) * pixel_bytes();
}

int64_t ImageLines::InputLines(int64_t count) const {
  return (count - 1) * shape_.height.stride + shape_.height.span();
}

int64_t ImageLines::Bytes(int64_t count) const { return InputLines(count) * line_bytes_; }

int64_t ImageLines::LinesOf(int64_t bytes) const {
  const int64_t lines = bytes / line_bytes_ - shape_.height.span();
  return std::max<int64_t>(lines / shape_.height.stride + 1, 1);
}

void ImageLines::Load(const void* image, int64_t begin, int64_t end, char* out) const {
  const Window& width = shape_.width;
  const int64_t channels = shape_.channels;
  const int64_t first = begin * shape_.height.stride - shape_.height.pad_before;
  for (int64_t i = 0; i < InputLines(end - begin); ++i, out += line_bytes_) {
    const int64_t line = first + i;
    if (line < 0 || line >= shape_.height.input) {
      copy_.fill(padding_, line_bytes_ / copy_.value_bytes, out);
      continue;
    }
    char* inside = out + width.pad_before * pixel_bytes();
    copy_.fill(padding_, width.pad_before * channels, out);
    const int64_t values = width.input * channels;
    const char* source = static_cast<const char*>(image) + line * values * copy_.source_bytes;
    copy_.convert(source, values, inside);
    copy_.fill(padding_, width.pad_after * channels, inside + width.input * pixel_bytes());
  }
}

}  // namespace kerasopt
