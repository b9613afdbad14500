#include "kernels/pooling/pooling.h"

#include "testing.h"

namespace kerasopt {
namespace {

using PoolingTest = KernelTest;

struct Case {
  int64_t height, width, pool_height, pool_width, stride;
  bool same;
};

const std::vector<Case> kCases = {
    {1, 1, 1, 1, 1, false}, {5, 7, 3, 2, 1, true},     {9, 8, 3, 3, 2, false},
    {4, 4, 9, 9, 2, true},  {6, 5, 2, 2, 5, true},     {20, 17, 20, 17, 1, false},
    {3, 3, 1, 1, 2, true},  {7, 11, 7, 1000, 3, true},
};

// Expects formula(values) for the values of each window and channel that are in the image.
template <typename Formula>
void ExpectWindows(const std::vector<int8_t>& x, const ConvolutionShape& shape,
                   const std::vector<int8_t>& y, const Formula& formula) {
  const Window &height = shape.height, &width = shape.width;
  int64_t next = 0;
  for (int64_t image = 0; image < shape.batch; ++image) {
    for (int64_t line = 0; line < height.output; ++line) {
      for (int64_t pixel = 0; pixel < width.output; ++pixel) {
        for (int64_t channel = 0; channel < shape.channels; ++channel) {
          std::vector<int64_t> values;
          for (int64_t i = 0; i < height.kernel; ++i) {
            for (int64_t j = 0; j < width.kernel; ++j) {
              const int64_t row = line * height.stride + i - height.pad_before;
              const int64_t column = pixel * width.stride + j - width.pad_before;
              if (row < 0 || row >= height.input || column < 0 || column >= width.input) continue;
              values.push_back(
                  x[((image * height.input + row) * width.input + column) * shape.channels +
                    channel]);
            }
          }
          ASSERT_EQ(y[next++], formula(values)) << "line " << line << ", pixel " << pixel;
        }
      }
    }
  }
}

// Calls body(x, shape, y) for images of all kinds of sizes.
template <typename Body>
void ForImages(unsigned seed, const Body& body) {
  Random random(seed);
  for (const Case& each : kCases) {
    for (int64_t channels : {1, 15, 16, 17, 31, 32, 33, 64, 100, 300}) {
      const Padding padding = {each.same, 0, 0};
      const ConvolutionShape shape = {
          2, channels, MakeWindow(each.height, each.pool_height, each.stride, 1, padding),
          MakeWindow(each.width, each.pool_width, each.stride, 1, padding)};
      const std::vector<int8_t> x = random.Int8s(2 * each.height * each.width * channels);
      std::vector<int8_t> y(2 * shape.height.output * shape.width.output * channels);
      body(x, shape, &y);
    }
  }
}

TEST_P(PoolingTest, Average) {
  const AverageParameters p = {0.8f, -128, -3};
  ForImages(0, [&](const auto& x, const ConvolutionShape& shape, std::vector<int8_t>* y) {
    QuantizedAveragePool(x.data(), shape, p, y->data(), Threads(2));
    ExpectWindows(x, shape, *y, [&](const std::vector<int64_t>& values) {
      int64_t sum = 0;
      for (int64_t value : values) sum += value - p.input_zero_point;
      return Requantized(sum, 0, p.scale_ratio / static_cast<float>(values.size()),
                         {p.output_zero_point, -128, 127});
    });
  });
}

TEST_P(PoolingTest, Max) {
  ForImages(1, [&](const auto& x, const ConvolutionShape& shape, std::vector<int8_t>* y) {
    MaxPool(x.data(), shape, y->data(), Threads(2));
    ExpectWindows(x, shape, *y, [&](const std::vector<int64_t>& values) {
      return *std::max_element(values.begin(), values.end());
    });
  });
}

KERASOPT_INSTANTIATE(PoolingTest, kernels.loops.pooling.average);

}  // namespace
}  // namespace kerasopt
