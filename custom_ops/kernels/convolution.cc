#include "kernels/convolution.h"

#include <algorithm>
#include <vector>

#include "kernels/dispatch.h"

namespace kerasopt {
namespace {

// Writes the part of an im2col row that one kernel row covers: from input column `left` on,
// `width.kernel` pixels `width.dilation` apart, those outside the image as the zero point.
char* UnfoldRow(const GemmKernel& gemm, const int8_t* image_row, const Window& width,
                int64_t channels, int64_t left, int8_t zero_point, char* out) {
  const int64_t pixel_bytes = channels * gemm.activation_bytes;
  if (width.dilation == 1) {
    const int64_t begin = std::clamp<int64_t>(-left, 0, width.kernel);
    const int64_t end = std::clamp<int64_t>(width.input - left, begin, width.kernel);
    gemm.fill(zero_point, begin * channels, out);
    gemm.convert(image_row + (left + begin) * channels, (end - begin) * channels,
                 out + begin * pixel_bytes);
    gemm.fill(zero_point, (width.kernel - end) * channels, out + end * pixel_bytes);
    return out + width.kernel * pixel_bytes;
  }
  for (int64_t k = 0; k < width.kernel; ++k, out += pixel_bytes) {
    const int64_t column = left + k * width.dilation;
    if (column < 0 || column >= width.input) {
      gemm.fill(zero_point, channels, out);
    } else {
      gemm.convert(image_row + column * channels, channels, out);
    }
  }
  return out;
}

}  // namespace

Window MakeWindow(int64_t input, int64_t kernel, int64_t stride, int64_t dilation, bool same) {
  const int64_t span = (kernel - 1) * dilation + 1;
  Window window = {input, kernel, stride, dilation, 0, 0, 0};
  if (same) {
    window.output = (input + stride - 1) / stride;
    const int64_t total = std::max<int64_t>((window.output - 1) * stride + span - input, 0);
    window.pad_before = total / 2;
    window.pad_after = total - total / 2;
  } else if (input >= span) {
    window.output = (input - span) / stride + 1;
  }
  return window;
}

void QuantizedConv2D(const int8_t* x, const ConvolutionShape& shape, const PackedWeights& weights,
                     const OutputQuantization& quantization, int8_t* out,
                     const ParallelFor& parallel_for) {
  const GemmKernel& gemm = weights.gemm();
  const Window &height = shape.height, &width = shape.width;
  const int64_t row_size = width.input * shape.channels;
  const int8_t zero_point = static_cast<int8_t>(quantization.input_zero_point);
  const auto source = [&](int64_t begin, int64_t end, int64_t row_bytes, char* unfolded) {
    for (int64_t pixel = begin; pixel < end; ++pixel, unfolded += row_bytes) {
      const int64_t left = pixel % width.output * width.stride - width.pad_before;
      const int64_t line = pixel / width.output;
      const int64_t top = line % height.output * height.stride - height.pad_before;
      const int8_t* image = x + line / height.output * height.input * row_size;
      char* position = unfolded;
      for (int64_t k = 0; k < height.kernel; ++k) {
        const int64_t row = top + k * height.dilation;
        if (row < 0 || row >= height.input) {
          gemm.fill(zero_point, width.kernel * shape.channels, position);
          position += width.kernel * shape.channels * gemm.activation_bytes;
        } else {
          position = UnfoldRow(gemm, image + row * row_size, width, shape.channels, left,
                               zero_point, position);
        }
      }
    }
  };
  Gemm(shape.batch * height.output * width.output, source, weights, quantization, out,
       parallel_for);
}

void QuantizedDepthwiseConv2D(const int8_t* x, const ConvolutionShape& shape,
                              int64_t depth_multiplier, const int8_t* kernel,
                              const OutputQuantization& quantization, int8_t* out,
                              const ParallelFor& parallel_for) {
  const Window &height = shape.height, &width = shape.width;
  const int64_t channels = shape.channels * depth_multiplier;
  std::vector<int8_t> repeated;
  if (depth_multiplier > 1) {
    const int64_t values = shape.batch * height.input * width.input * shape.channels;
    repeated.resize(values * depth_multiplier);
    for (int64_t i = 0; i < values; ++i) {
      std::fill_n(repeated.begin() + i * depth_multiplier, depth_multiplier, x[i]);
    }
    x = repeated.data();
  }
  const LoopKernels& loops = Kernels().loops;
  const Requantization requantization =
      RequantizationOf(quantization, quantization.bias, quantization.multiplier);
  const std::vector<int8_t> padding(channels, static_cast<int8_t>(quantization.input_zero_point));
  const int64_t tap_count = height.kernel * width.kernel;

  const auto body = [&](int64_t begin, int64_t end) {
    std::vector<const int8_t*> taps(tap_count);
    for (int64_t line = begin; line < end; ++line) {
      const int64_t top = line % height.output * height.stride - height.pad_before;
      const int8_t* image = x + line / height.output * height.input * width.input * channels;
      for (int64_t pixel = 0; pixel < width.output; ++pixel) {
        const int64_t left = pixel * width.stride - width.pad_before;
        for (int64_t t = 0; t < tap_count; ++t) {
          const int64_t row = top + t / width.kernel * height.dilation;
          const int64_t column = left + t % width.kernel * width.dilation;
          const bool inside = row >= 0 && row < height.input && column >= 0 && column < width.input;
          taps[t] = inside ? image + (row * width.input + column) * channels : padding.data();
        }
        loops.depthwise(taps.data(), kernel, tap_count, channels, quantization.input_zero_point,
                        requantization, out + (line * width.output + pixel) * channels);
      }
    }
  };
  parallel_for.run(shape.batch * height.output, width.output * tap_count * channels / 8, body);
}

}  // namespace kerasopt
