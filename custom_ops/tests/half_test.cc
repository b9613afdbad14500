#include "kernels/half/half_matmul.h"

#include <cmath>
#include <cstring>
#include <limits>

#include "testing.h"
#include "windows.h"

namespace kerasopt {
namespace {

using HalfTest = KernelTest;

constexpr WeightFormat kFormats[] = {WeightFormat::kFloat16, WeightFormat::kBfloat16};

// The value of 16 bits with an exponent of so many.
float ValueOf(uint16_t bits, int exponent_bits) {
  const int mantissa_bits = 15 - exponent_bits, largest = (1 << exponent_bits) - 1;
  const int mantissa = bits & ((1 << mantissa_bits) - 1),
            exponent = bits >> mantissa_bits & largest;
  const int bias = largest / 2;
  double value;
  if (exponent == largest) {
    value = mantissa != 0 ? std::nan("") : std::numeric_limits<double>::infinity();
  } else if (exponent == 0) {
    value = std::ldexp(mantissa, 1 - bias - mantissa_bits);
  } else {
    value = std::ldexp(mantissa + (1 << mantissa_bits), exponent - bias - mantissa_bits);
  }
  return static_cast<float>(bits >> 15 ? -value : value);
}

float ValueOf(uint16_t bits, WeightFormat format) {
  return ValueOf(bits, format == WeightFormat::kFloat16 ? 5 : 8);
}

// Weights near 1, some of them subnormal or zero.
std::vector<uint16_t> Weights(Random* random, int64_t count, WeightFormat format) {
  const bool is_float16 = format == WeightFormat::kFloat16;
  std::vector<uint16_t> weights(count);
  for (uint16_t& bits : weights) {
    const int64_t magnitude = random->Integer(0, 9) == 0
                                  ? random->Integer(0, is_float16 ? 1023 : 127)
                              : is_float16 ? random->Integer(10 << 10, 17 << 10)
                                           : random->Integer(120 << 7, 130 << 7);
    bits = static_cast<uint16_t>(magnitude | random->Integer(0, 1) << 15);
  }
  return weights;
}

std::vector<float> Floats(Random* random, int64_t count) {
  std::vector<float> values(count);
  for (float& value : values) value = static_cast<float>(random->Integer(-9999, 9999)) / 777.0f;
  return values;
}

// A kernel (groups, runs, depth, columns) in the order that packed_kernel.h tells.
std::vector<int8_t> PackedHalves(const std::vector<uint16_t>& kernel, const PackedShape& shape) {
  std::vector<int8_t> packed(shape.bytes(), 0);
  const int64_t rows = shape.runs * shape.depth;
  for (int64_t i = 0; i < static_cast<int64_t>(kernel.size()); ++i) {
    const int64_t column = i % shape.columns, row = i / shape.columns % rows;
    const int64_t group = i / shape.columns / rows, first = column / kPanelColumns * kPanelColumns;
    const int64_t width = std::min(kPanelColumns, shape.width() - first);
    const int64_t at = first * rows + row * width + column - first;
    std::memcpy(packed.data() + group * shape.group_bytes() + at * 2, &kernel[i], 2);
  }
  return packed;
}

void ExpectSame(const std::vector<float>& y, const std::vector<float>& expected) {
  ASSERT_EQ(y.size(), expected.size());
  for (size_t i = 0; i < y.size(); ++i) {
    if (std::isnan(expected[i])) {
      ASSERT_TRUE(std::isnan(y[i])) << i;
    } else {
      ASSERT_EQ(y[i], expected[i]) << i;
    }
  }
}

struct Channels {
  Channels(Random* random, int64_t count)
      : scale(Floats(random, count)), bias(Floats(random, count)) {}

  std::vector<float> scale, bias;
};

struct Problem {
  Problem(int64_t rows, int64_t depth, int64_t columns, WeightFormat format, unsigned seed)
      : rows(rows),
        shape{1, 1, depth, columns, format},
        random(seed),
        x(Floats(&random, rows * depth)),
        kernel(Weights(&random, depth * columns, format)),
        channels(&random, columns) {}

  void Check(int threads) const {
    std::vector<float> expected;
    for (int64_t i = 0; i < rows; ++i) {
      for (int64_t j = 0; j < shape.columns; ++j) {
        float sum = 0.0f;
        for (int64_t k = 0; k < shape.depth; ++k) {
          const float weight = ValueOf(kernel[k * shape.columns + j], shape.format);
          sum = std::fma(x[i * shape.depth + k], weight, sum);
        }
        expected.push_back(std::fma(sum, channels.scale[j], channels.bias[j]));
      }
    }
    const std::vector<int8_t> packed = PackedHalves(kernel, shape);
    const HalfKernel prepared(Kernels(), shape, packed.data(), channels.scale.data(),
                              channels.bias.data());
    std::vector<float> y(expected.size(), 99.0f);
    HalfMatMul(x.data(), rows, prepared, y.data(), Threads(threads));
    ExpectSame(y, expected);
  }

  int64_t rows;
  PackedShape shape;
  Random random;
  std::vector<float> x;
  std::vector<uint16_t> kernel;
  Channels channels;
};

// Kernel (height, width, channels / groups, filters).
void CheckConvolution(const ConvolutionShape& shape, int64_t filters, int64_t groups,
                      WeightFormat format, int threads, unsigned seed) {
  Random random(seed);
  const std::vector<float> x =
      Floats(&random, shape.batch * shape.height.input * shape.width.input * shape.channels);
  const int64_t channels = shape.channels / groups, columns = filters / groups;
  const int64_t taps = shape.height.kernel * shape.width.kernel;
  const std::vector<uint16_t> kernel = Weights(&random, taps * channels * filters, format);
  const Channels affine(&random, filters);
  std::vector<uint16_t> grouped(kernel.size());
  for (size_t i = 0; i < kernel.size(); ++i) {
    const int64_t f = i % filters, row = i / filters;
    grouped[(f / columns * taps * channels + row) * columns + f % columns] = kernel[i];
  }
  std::vector<float> expected;
  for (int64_t pixel = 0; pixel < shape.pixels(); ++pixel) {
    for (int64_t f = 0; f < filters; ++f) {
      float sum = 0.0f;
      ForTaps(shape, pixel, [&](int64_t at, int64_t tap) {
        for (int64_t c = 0; c < channels; ++c) {
          const float weight = ValueOf(kernel[(tap * channels + c) * filters + f], format);
          sum = std::fma(x[at + f / columns * channels + c], weight, sum);
        }
      });
      expected.push_back(std::fma(sum, affine.scale[f], affine.bias[f]));
    }
  }
  const PackedShape packed_shape = PackedConvolution(shape, filters, groups, format);
  const std::vector<int8_t> packed = PackedHalves(grouped, packed_shape);
  const HalfKernel prepared(Kernels(), packed_shape, packed.data(), affine.scale.data(),
                            affine.bias.data());
  std::vector<float> y(expected.size(), 99.0f);
  HalfConv2D(x.data(), shape, prepared, y.data(), Threads(threads));
  ExpectSame(y, expected);
}

TEST_P(HalfTest, RowsDepthsAndColumns) {
  unsigned seed = 0;
  for (WeightFormat format : kFormats) {
    for (int64_t rows : {1, 2, 5, 6, 7, 13, 100}) {
      for (int64_t depth : {1, 3, 64, 200}) {
        for (int64_t columns : {1, 16, 17, 40, 64, 130}) {
          ++seed;
          SCOPED_TRACE(testing::Message() << rows << "x" << depth << "x" << columns);
          Problem(rows, depth, columns, format, seed).Check(1 + seed % 3);
          if (HasFatalFailure()) return;
        }
      }
    }
  }
}

TEST_P(HalfTest, DepthsAboveACache) {
  for (int64_t rows : {1, 40}) Problem(rows, 9000, 70, WeightFormat::kFloat16, 1).Check(2);
}

TEST_P(HalfTest, EveryWeight) {
  for (WeightFormat format : kFormats) {
    Problem problem(1, 1, 65536, format, 0);
    problem.x = {1.0f};
    for (int64_t i = 0; i < problem.shape.columns; ++i) {
      problem.kernel[i] = static_cast<uint16_t>(i);
      problem.channels.scale[i] = 1.0f;
      problem.channels.bias[i] = 0.0f;
    }
    problem.Check(1);
  }
}

TEST_P(HalfTest, InputsThatAreNotFinite) {
  for (WeightFormat format : kFormats) {
    Problem problem(9, 20, 33, format, 3);
    problem.x[3] = std::numeric_limits<float>::infinity();
    problem.x[25] = std::nanf("");
    problem.x[50] = std::numeric_limits<float>::max();
    problem.x[70] = std::numeric_limits<float>::denorm_min();
    problem.channels.scale[5] = 0.0f;
    problem.Check(1);
  }
}

TEST_P(HalfTest, Windows) {
  unsigned seed = 0;
  for (WeightFormat format : kFormats) {
    for (int64_t stride : {1, 2}) {
      for (int64_t dilation : {1, 2}) {
        for (const Padding& padding :
             {Padding{true, 0, 0}, Padding{false, 0, 0}, Padding{false, 4, 1}}) {
          for (int64_t channels : {1, 3, 18}) {
            ++seed;
            SCOPED_TRACE(seed);
            CheckConvolution({2, channels, MakeWindow(7, 3, stride, dilation, padding),
                              MakeWindow(9, 2, stride, dilation, padding)},
                             20, 1, format, 1 + seed % 3, seed);
            if (HasFatalFailure()) return;
          }
        }
      }
    }
  }
}

TEST_P(HalfTest, PixelsAndGroups) {
  for (WeightFormat format : kFormats) {
    const Window pixels = MakeWindow(6, 1, 1, 1, {});
    CheckConvolution({3, 24, pixels, pixels}, 70, 1, format, 2, 5);
    for (int64_t groups : {2, 3}) {
      for (int64_t filters : {1, 20, 70}) {
        const Window window = MakeWindow(6, 3, 2, 1, {true, 0, 0});
        CheckConvolution({1, 5 * groups, window, window}, filters * groups, groups, format, 2, 7);
        CheckConvolution({1, 5 * groups, pixels, pixels}, filters * groups, groups, format, 2, 7);
        if (HasFatalFailure()) return;
      }
    }
  }
}

KERASOPT_INSTANTIATE(HalfTest, kernels.half.float16);

}  // namespace
}  // namespace kerasopt
