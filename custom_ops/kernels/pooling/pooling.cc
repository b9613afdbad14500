#include "kernels/pooling/pooling.h"

#include <algorithm>
#include <vector>

#include "kernels/dispatch.h"

namespace kerasopt {
namespace {

// What of a window is in the image, along one axis.
struct Inside {
  int64_t begin, end;
};

Inside InsideOf(const Window& window, int64_t index) {
  const int64_t begin = index * window.stride - window.pad_before;
  return {std::max<int64_t>(begin, 0), std::min(begin + window.kernel, window.input)};
}

// Calls body(pixels, count, out) with the pixels of each window that are in the image, and where
// the channels of its result go.
template <typename Body>
void ForWindows(const int8_t* x, const ConvolutionShape& shape, int8_t* out,
                const ParallelFor& parallel_for, const Body& body) {
  const Window &height = shape.height, &width = shape.width;
  const int64_t channels = shape.channels, line_size = width.input * channels;
  const int64_t taps = std::min(height.kernel, height.input) * std::min(width.kernel, width.input);
  const int64_t cost = width.output * (taps + 4) * (channels / 16 + 1);
  parallel_for.Run(shape.batch * height.output, cost, [&](int64_t begin, int64_t end) {
    std::vector<const int8_t*> pixels(taps);
    for (int64_t line = begin; line < end; ++line) {
      const int8_t* image = x + line / height.output * height.input * line_size;
      const Inside rows = InsideOf(height, line % height.output);
      for (int64_t pixel = 0; pixel < width.output; ++pixel) {
        const Inside columns = InsideOf(width, pixel);
        int64_t count = 0;
        for (int64_t i = rows.begin; i < rows.end; ++i) {
          for (int64_t j = columns.begin; j < columns.end; ++j) {
            pixels[count++] = image + i * line_size + j * channels;
          }
        }
        body(pixels.data(), count, out + (line * width.output + pixel) * channels);
      }
    }
  });
}

}  // namespace

void QuantizedAveragePool(const int8_t* x, const ConvolutionShape& shape,
                          const AverageParameters& parameters, int8_t* out,
                          const ParallelFor& parallel_for) {
  const PoolingLoops& loops = Kernels().loops.pooling;
  const AverageParameters& p = parameters;
  SumParameters all = {0, 0, static_cast<float>(-128 - p.output_zero_point),
                       static_cast<float>(127 - p.output_zero_point), p.output_zero_point};
  ForWindows(x, shape, out, parallel_for,
             [&](const int8_t* const* pixels, int64_t count, int8_t* to) {
               SumParameters one = all;
               one.bias = static_cast<int32_t>(-count * p.input_zero_point);
               one.multiplier = p.scale_ratio / static_cast<float>(count);
               loops.average(pixels, count, shape.channels, one, to);
             });
}

void MaxPool(const int8_t* x, const ConvolutionShape& shape, int8_t* out,
             const ParallelFor& parallel_for) {
  const PoolingLoops& loops = Kernels().loops.pooling;
  ForWindows(x, shape, out, parallel_for,
             [&](const int8_t* const* pixels, int64_t count, int8_t* to) {
               loops.largest(pixels, count, shape.channels, to);
             });
}

}  // namespace kerasopt
