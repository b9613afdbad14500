#include "kernels/depthwise/depthwise.h"
#include "kernels/gemm/convolution.h"

#include "testing.h"
#include "windows.h"

namespace kerasopt {
namespace {

using Int16Test = KernelTest;

constexpr OutputRange kWhole = {0, -32768, 32767};

int16_t RequantizedToInt16(int64_t sum, int64_t products, int32_t bias, float multiplier,
                           const OutputRange& output) {
  const int shift = Int16Shift(products);
  const int64_t shifted = (sum + bias + (int64_t{1} << (shift - 1))) >> shift;
  const double scaled = static_cast<float>(shifted) * (double{multiplier} * (1 << shift));
  return static_cast<int16_t>(
      std::clamp<double>(std::nearbyint(static_cast<float>(scaled)), output.min, output.max));
}

std::vector<float> Multipliers(Random* random, int64_t count) {
  std::vector<float> values = random->Multipliers(count);
  for (float& value : values) value *= 1.0f / 4096.0f;
  return values;
}

struct Problem {
  Problem(int64_t rows, int64_t depth, int64_t columns, unsigned seed,
          WeightFormat format = WeightFormat::kInt8)
      : rows(rows), shape{1, 1, depth, columns, format}, random(seed) {
    x = random.Extremes<int16_t>(rows * depth);
    kernel = random.Kernel(depth, columns, format);
    bias = random.Integers<int32_t>(columns, std::numeric_limits<int32_t>::min(),
                                    std::numeric_limits<int32_t>::max());
    multiplier = Multipliers(&random, columns);
    output.min = static_cast<int32_t>(random.Integer(-32768, 0));
    output.max = static_cast<int32_t>(random.Integer(0, 32767));
  }

  std::vector<int16_t> Expected() const {
    std::vector<int16_t> y;
    for (int64_t i = 0; i < rows; ++i) {
      for (int64_t j = 0; j < shape.columns; ++j) {
        int64_t sum = 0;
        for (int64_t k = 0; k < shape.depth; ++k) {
          sum += x[i * shape.depth + k] * kernel[k * shape.columns + j];
        }
        y.push_back(RequantizedToInt16(sum, shape.depth, bias[j], multiplier[j], output));
      }
    }
    return y;
  }

  std::vector<int16_t> Computed(int threads = 1) const {
    const std::vector<int8_t> packed = Packed(kernel, shape);
    const Int16Kernel prepared(Kernels(), shape, packed.data(), bias.data(), multiplier.data());
    std::vector<int16_t> y(rows * shape.columns, 99);
    QuantizedMatMul(x.data(), rows, prepared, output, y.data(), Threads(threads));
    return y;
  }

  int64_t rows;
  PackedShape shape;
  Random random;
  std::vector<int16_t> x;
  std::vector<int8_t> kernel;
  std::vector<int32_t> bias;
  std::vector<float> multiplier;
  OutputRange output = kWhole;
};

TEST_P(Int16Test, EveryEdgeOfATile) {
  for (int64_t rows : {1, 2, 3, 4, 6, 7, 13}) {
    for (int64_t columns : {1, 15, 16, 17, 33, 48, 63, 64, 65, 129}) {
      const Problem problem(rows, 1 + (rows * columns) % 21, columns, rows * 1000 + columns);
      ASSERT_EQ(problem.Computed(), problem.Expected()) << rows << " x " << columns;
    }
  }
}

TEST_P(Int16Test, EveryFormatOfWeights) {
  for (WeightFormat format : {WeightFormat::kInt4, WeightFormat::kTwoOfFour}) {
    for (int64_t depth : {1, 7, 8, 35, 130, 1023}) {
      const Problem problem(5, depth, 70, depth, format);
      ASSERT_EQ(problem.Computed(), problem.Expected())
          << static_cast<int>(format) << ": " << depth;
    }
  }
}

TEST_P(Int16Test, ManyRowsInSeveralThreads) {
  for (int64_t rows : {1, 5, 97, 200}) {
    const Problem problem(rows, 33, 200, rows);
    ASSERT_EQ(problem.Computed(3), problem.Expected()) << rows;
  }
}

TEST_P(Int16Test, TheLargestSums) {
  for (int value : {-32768, 32767}) {
    Problem problem(2, kMostInt16Products, 2, 0);
    std::fill(problem.x.begin(), problem.x.end(), static_cast<int16_t>(value));
    std::fill(problem.kernel.begin(), problem.kernel.end(), int8_t{-128});
    problem.bias = {std::numeric_limits<int32_t>::min(), std::numeric_limits<int32_t>::max()};
    problem.multiplier = {1e-8f, 1e-7f};
    problem.output = kWhole;
    ASSERT_EQ(problem.Computed(), problem.Expected()) << value;
  }
}

TEST_P(Int16Test, SumsAreRoundedWhenTheyAreShifted) {
  Problem problem(20, 5, 30, 0);
  problem.x = problem.random.Integers<int16_t>(20 * 5, -3, 3);
  problem.kernel = problem.random.Integers<int8_t>(5 * 30, -3, 3);
  problem.bias = problem.random.Integers<int32_t>(30, -9, 9);
  problem.multiplier.assign(30, 0.5f);
  problem.output = kWhole;
  ASSERT_EQ(problem.Computed(), problem.Expected());
}

TEST_P(Int16Test, TheLargestMultipliers) {
  Problem problem(9, 3, 5, 0);
  problem.multiplier.assign(5, std::numeric_limits<float>::max());
  problem.bias.assign(5, 0);
  ASSERT_EQ(problem.Computed(), problem.Expected());
}

const std::pair<Axis, Axis> kImages[] = {
    {{7, 3, 1, 1, true}, {9, 3, 1, 1, true}},   {{7, 3, 2, 1, false}, {9, 3, 2, 1, false}},
    {{9, 3, 1, 2, true}, {11, 3, 1, 3, false}}, {{6, 1, 1, 1, false}, {5, 1, 1, 1, false}},
    {{1, 1, 1, 1, false}, {20, 4, 3, 1, true}}, {{6, 1, 2, 1, true}, {5, 1, 2, 1, true}}};

TEST_P(Int16Test, Convolutions) {
  for (const auto& [height, width] : kImages) {
    for (int64_t groups : {1, 2}) {
      Random random(groups);
      const int64_t channels = 6, columns = 21, filters = groups * columns;
      const ConvolutionShape shape = {2, channels, height.window(), width.window()};
      const int64_t taps = height.kernel * width.kernel, depth = channels / groups;
      const auto x = random.Extremes<int16_t>(2 * height.input * width.input * channels);
      const auto kernel = random.Int8s(filters * taps * depth);  // group, tap, channel, column
      const auto bias = random.Integers<int32_t>(filters, -99999, 99999);
      const auto multiplier = Multipliers(&random, filters);
      std::vector<int16_t> expected, y(shape.pixels() * filters, 99);
      for (int64_t pixel = 0; pixel < shape.pixels(); ++pixel) {
        for (int64_t f = 0; f < filters; ++f) {
          const int64_t group = f / columns;
          int64_t sum = 0;
          ForTaps(shape, pixel, [&](int64_t at, int64_t tap) {
            for (int64_t c = 0; c < depth; ++c) {
              sum += x[at + group * depth + c] *
                     kernel[((group * taps + tap) * depth + c) * columns + f % columns];
            }
          });
          expected.push_back(RequantizedToInt16(sum, taps * depth, bias[f], multiplier[f], kWhole));
        }
      }
      const PackedShape packed_shape = PackedConvolution(shape, filters, groups);
      const std::vector<int8_t> packed = Packed(kernel, packed_shape);
      const Int16Kernel prepared(Kernels(), packed_shape, packed.data(), bias.data(),
                                 multiplier.data());
      QuantizedConv2D(x.data(), shape, prepared, kWhole, y.data(), Threads(groups));
      ASSERT_EQ(y, expected) << height.kernel << "x" << width.kernel << " in " << groups;
    }
  }
}

TEST_P(Int16Test, DepthwiseConvolutions) {
  for (const auto& [height, width] : kImages) {
    for (int64_t times : {1, 3}) {
      Random random(times);
      const int64_t channels = 19, filters = channels * times;
      const ConvolutionShape shape = {2, channels, height.window(), width.window()};
      const int64_t taps = height.kernel * width.kernel;
      const auto x = random.Extremes<int16_t>(2 * height.input * width.input * channels);
      const auto kernel = random.Int8s(taps * filters);
      const auto bias = random.Integers<int32_t>(filters, -99999, 99999);
      const auto multiplier = Multipliers(&random, filters);
      Int16Channels prepared(filters, taps);
      for (int64_t f = 0; f < filters; ++f) prepared.Set(f, bias[f], multiplier[f]);
      std::vector<int16_t> expected, y(shape.pixels() * filters, 99);
      for (int64_t pixel = 0; pixel < shape.pixels(); ++pixel) {
        for (int64_t f = 0; f < filters; ++f) {
          int64_t sum = 0;
          ForTaps(shape, pixel, [&](int64_t at, int64_t tap) {
            sum += x[at + f / times] * kernel[tap * filters + f];
          });
          expected.push_back(RequantizedToInt16(sum, taps, bias[f], multiplier[f], kWhole));
        }
      }
      QuantizedDepthwiseConv2D(x.data(), shape, times, kernel.data(), 0,
                               prepared.requantization(0, kWhole), y.data(), Threads(times));
      ASSERT_EQ(y, expected) << height.kernel << "x" << width.kernel << " times " << times;
    }
  }
}

KERASOPT_INSTANTIATE(Int16Test, kernels.name);

}  // namespace
}  // namespace kerasopt
