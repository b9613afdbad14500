#include "kernels/gemm/convolution.h"
#include "kernels/depthwise/depthwise.h"

#include "testing.h"
#include "windows.h"

namespace kerasopt {
namespace {

using ConvolutionTest = KernelTest;
using DepthwiseTest = KernelTest;

// An image and what a convolution of it shares with a depthwise one.
struct Image {
  Image(int64_t batch, int64_t channels, Axis height, Axis width, int64_t filters, unsigned seed)
      : shape{batch, channels, height.window(), width.window()}, filters(filters), random(seed) {
    x = random.Int8s(batch * height.input * width.input * channels);
    bias = random.Integers<int32_t>(filters, -9999, 9999);
    multiplier = random.Multipliers(filters);
    zero_point = static_cast<int8_t>(random.Integer(-128, 127));
    output.zero_point = static_cast<int32_t>(random.Integer(-128, 127));
    output.min = static_cast<int32_t>(random.Integer(-128, 0));
  }

  ConvolutionShape shape;
  int64_t filters;
  Random random;
  std::vector<int8_t> x;
  std::vector<int32_t> bias;
  std::vector<float> multiplier;
  int8_t zero_point;
  OutputRange output = {0, -128, 127};
};

// Kernel (height, width, channels / groups, filters).
void CheckConvolution(Image image, int64_t groups, int threads) {
  const ConvolutionShape& shape = image.shape;
  const int64_t channels = shape.channels / groups, columns = image.filters / groups;
  const int64_t taps = shape.height.kernel * shape.width.kernel;
  const std::vector<int8_t> kernel = image.random.Int8s(taps * channels * image.filters);
  std::vector<int8_t> expected, grouped(kernel.size());
  for (int64_t pixel = 0; pixel < shape.pixels(); ++pixel) {
    for (int64_t f = 0; f < image.filters; ++f) {
      int64_t sum = 0;
      ForTaps(shape, pixel, [&](int64_t at, int64_t tap) {
        for (int64_t c = 0; c < channels; ++c) {
          sum += (image.x[at + f / columns * channels + c] - image.zero_point) *
                 kernel[(tap * channels + c) * image.filters + f];
        }
      });
      expected.push_back(Requantized(sum, image.bias[f], image.multiplier[f], image.output));
    }
  }
  for (size_t i = 0; i < kernel.size(); ++i) {
    const int64_t f = i % image.filters, row = i / image.filters;
    grouped[(f / columns * taps * channels + row) * columns + f % columns] = kernel[i];
  }
  const PackedShape packed_shape = PackedConvolution(shape, image.filters, groups);
  const std::vector<int8_t> packed = Packed(grouped, packed_shape);
  const PackedKernel prepared(Kernels(), packed_shape, packed.data(), image.bias.data(),
                              image.multiplier.data(), image.zero_point);
  std::vector<int8_t> y(expected.size(), 99);
  QuantizedConv2D(image.x.data(), shape, prepared, image.output, y.data(), Threads(threads));
  ASSERT_EQ(y, expected);
}

// Kernel (height, width, channels, multiplier).
void CheckDepthwise(Image image, int64_t times, int threads) {
  const ConvolutionShape& shape = image.shape;
  const int64_t taps = shape.height.kernel * shape.width.kernel;
  const std::vector<int8_t> kernel = image.random.Int8s(taps * image.filters);
  std::vector<int8_t> expected;
  for (int64_t pixel = 0; pixel < shape.pixels(); ++pixel) {
    for (int64_t f = 0; f < image.filters; ++f) {
      int64_t sum = 0;
      ForTaps(shape, pixel, [&](int64_t at, int64_t tap) {
        sum += (image.x[at + f / times] - image.zero_point) * kernel[tap * image.filters + f];
      });
      expected.push_back(Requantized(sum, image.bias[f], image.multiplier[f], image.output));
    }
  }
  std::vector<int8_t> y(expected.size(), 99);
  QuantizedDepthwiseConv2D(
      image.x.data(), shape, times, kernel.data(), image.zero_point,
      RequantizationOf(image.bias.data(), image.multiplier.data(), image.output), y.data(),
      Threads(threads));
  ASSERT_EQ(y, expected);
}

// Heights and widths: kernels, strides, dilations and paddings of all kinds.
std::vector<std::pair<Axis, Axis>> Windows() {
  std::vector<std::pair<Axis, Axis>> windows;
  for (bool same : {false, true}) {
    for (int64_t stride : {1, 2, 3}) {
      windows.push_back({{7, 3, stride, 1, same}, {9, 3, stride, 1, same}});
      windows.push_back({{6, 1, stride, 1, same}, {7, 1, stride, 1, same}});
      windows.push_back({{9, 5, stride, 1, same}, {8, 5, stride, 1, same}});
      windows.push_back({{1, 1, 1, 1, same}, {20, 4, stride, 1, same}});
    }
    windows.push_back({{9, 3, 1, 2, same}, {11, 3, 1, 3, same}});
    windows.push_back({{5, 2, 2, 1, same}, {4, 3, 1, 1, same}});
    windows.push_back({{3, 3, 1, 1, same}, {110, 3, 1, 1, same}});
  }
  windows.push_back({{6, 3, 2, 1, false, 0, 1}, {7, 3, 1, 1, false, 2, 0}});
  windows.push_back({{3, 1, 1, 1, false, 1, 0}, {4, 1, 1, 1, false, 0, 2}});
  windows.push_back({{1, 4, 1, 1, false, 3, 0}, {2, 2, 3, 2, false, 5, 4}});
  return windows;
}

TEST_P(ConvolutionTest, EveryWindow) {
  unsigned seed = 0;
  for (const auto& [height, width] : Windows()) {
    for (int64_t channels : {1, 3, 4, 18}) {
      SCOPED_TRACE(testing::Message() << "window " << seed << ", channels " << channels);
      CheckConvolution(Image(2, channels, height, width, 1 + 7 * channels, seed++), 1, 1);
      if (HasFatalFailure()) return;
    }
  }
}

TEST_P(ConvolutionTest, Groups) {
  for (int64_t groups : {2, 3}) {
    for (int64_t channels : {1, 5}) {
      for (int64_t filters : {1, 20, 70}) {
        const Axis axis = {6, 3, 2, 1, true};
        CheckConvolution(Image(1, channels * groups, axis, axis, filters * groups, 7), groups, 2);
        if (HasFatalFailure()) return;
      }
    }
  }
}

TEST_P(ConvolutionTest, SeveralThreads) {
  const Axis axis = {13, 3, 1, 1, true};
  for (int threads : {2, 3, 5}) CheckConvolution(Image(3, 6, axis, axis, 24, 0), 1, threads);
}

TEST_P(DepthwiseTest, EveryWindow) {
  unsigned seed = 0;
  for (const auto& [height, width] : Windows()) {
    for (int64_t channels : {1, 16, 31, 32, 33, 64, 70, 100}) {
      SCOPED_TRACE(testing::Message() << "window " << seed << ", channels " << channels);
      CheckDepthwise(Image(2, channels, height, width, channels, seed++), 1, 1);
      if (HasFatalFailure()) return;
    }
  }
}

TEST_P(DepthwiseTest, LargeKernels) {
  // More steps, and wider ones, than the vector kernel holds.
  for (const Axis& axis : {Axis{20, 13, 1, 1, true}, Axis{50, 3, 1, 24, true}}) {
    CheckDepthwise(Image(1, 40, axis, axis, 40, 3), 1, 1);
  }
}

TEST_P(DepthwiseTest, SeveralOutputsOfAChannelAndThreads) {
  const Axis axis = {11, 3, 2, 1, true};
  for (int threads : {1, 3}) {
    CheckDepthwise(Image(2, 13, axis, axis, 39, 5), 3, threads);
    CheckDepthwise(Image(2, 33, axis, axis, 33, 6), 1, threads);
  }
}

KERASOPT_INSTANTIATE(ConvolutionTest, kernels.name);
KERASOPT_INSTANTIATE(DepthwiseTest, kernels.depthwise, kernels.loops.depthwise.int8);

}  // namespace
}  // namespace kerasopt
