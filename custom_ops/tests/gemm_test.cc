#include "testing.h"

namespace kerasopt {
namespace {

using GemmTest = KernelTest;

struct Problem {
  Problem(int64_t rows, int64_t depth, int64_t columns, unsigned seed,
          WeightFormat format = WeightFormat::kInt8)
      : rows(rows), shape{1, 1, depth, columns, format}, random(seed) {
    x = random.Int8s(rows * depth);
    kernel = random.Kernel(depth, columns, format);
    bias = random.Integers<int32_t>(columns, -99999, 99999);
    multiplier = random.Multipliers(columns);
    zero_point = static_cast<int8_t>(random.Integer(-128, 127));
    output.zero_point = static_cast<int32_t>(random.Integer(-128, 127));
    output.min = static_cast<int32_t>(random.Integer(-128, 127));
    output.max = static_cast<int32_t>(random.Integer(output.min, 127));
  }

  std::vector<int8_t> Expected() const {
    std::vector<int8_t> y;
    for (int64_t i = 0; i < rows; ++i) {
      for (int64_t j = 0; j < shape.columns; ++j) {
        int64_t sum = 0;
        for (int64_t k = 0; k < shape.depth; ++k) {
          sum += (x[i * shape.depth + k] - zero_point) * kernel[k * shape.columns + j];
        }
        y.push_back(Requantized(sum, bias[j], multiplier[j], output));
      }
    }
    return y;
  }

  std::vector<int8_t> Computed(int threads = 1) const {
    const std::vector<int8_t> packed = Packed(kernel, shape);
    const PackedKernel prepared(Kernels(), shape, packed.data(), bias.data(), multiplier.data(),
                                zero_point);
    std::vector<int8_t> y(rows * shape.columns, 99);
    QuantizedMatMul(x.data(), rows, prepared, output, y.data(), Threads(threads));
    return y;
  }

  int64_t rows;
  PackedShape shape;
  Random random;
  std::vector<int8_t> x, kernel;
  std::vector<int32_t> bias;
  std::vector<float> multiplier;
  int8_t zero_point;
  OutputRange output = {0, -128, 127};
};

TEST_P(GemmTest, EveryEdgeOfATile) {
  for (int64_t rows = 1; rows <= 14; ++rows) {
    for (int64_t columns : {1, 15, 16, 17, 31, 33, 48, 49, 63, 64, 65, 80, 129}) {
      const Problem problem(rows, 1 + (rows * columns) % 21, columns, rows * 1000 + columns);
      ASSERT_EQ(problem.Computed(), problem.Expected()) << rows << " x " << columns;
    }
  }
}

TEST_P(GemmTest, EveryRemainderOfADepth) {
  for (int64_t depth : {1, 2, 3, 4, 5, 7, 8, 15, 16, 17, 63, 64, 65, 130, 1023}) {
    for (int64_t rows : {1, 2, 6, 7}) {
      const Problem problem(rows, depth, 70, depth);
      ASSERT_EQ(problem.Computed(), problem.Expected()) << rows << " x " << depth;
    }
  }
}

TEST_P(GemmTest, EveryFormatOfWeights) {
  for (WeightFormat format : {WeightFormat::kInt4, WeightFormat::kTwoOfFour}) {
    for (int64_t rows : {1, 2, 3, 4, 5, 6, 7, 19}) {
      for (int64_t columns : {1, 16, 17, 40, 64, 150}) {
        for (int64_t depth : {1, 4, 7, 8, 9, 32, 35, 130}) {
          const Problem problem(rows, depth, columns, rows + columns, format);
          ASSERT_EQ(problem.Computed(), problem.Expected())
              << static_cast<int>(format) << ": " << rows << " x " << depth << " x " << columns;
        }
      }
    }
  }
}

TEST_P(GemmTest, SumsOfInt4BeyondInt32WrapAround) {
  Problem problem(2, 1200000, 3, 0, WeightFormat::kInt4);
  std::fill(problem.x.begin(), problem.x.end(), int8_t{127});
  std::fill(problem.kernel.begin(), problem.kernel.end(), int8_t{-8});
  problem.zero_point = -128;
  ASSERT_EQ(problem.Computed(), problem.Expected());
}

TEST_P(GemmTest, ManyRowsInSeveralThreads) {
  for (int64_t rows : {1, 5, 97, 200}) {
    const Problem problem(rows, 33, 200, rows);
    for (int threads : {1, 2, 3}) {
      ASSERT_EQ(problem.Computed(threads), problem.Expected()) << rows << ", " << threads;
    }
  }
}

TEST_P(GemmTest, SumsBeyondInt32WrapAround) {
  Problem problem(3, 70000, 18, 0);
  std::fill(problem.x.begin(), problem.x.end(), int8_t{127});
  std::fill(problem.kernel.begin(), problem.kernel.end(), int8_t{127});
  problem.zero_point = -128;
  problem.multiplier.assign(18, 1e-7f);
  problem.output = {0, -128, 127};
  ASSERT_EQ(problem.Computed(), problem.Expected());
}

TEST_P(GemmTest, ScaledSumsBeyondInt32AreClamped) {
  for (float multiplier : {300.0f, 1e20f, 3e38f}) {
    Problem problem(7, 64, 40, 1);
    problem.multiplier.assign(40, multiplier);
    problem.output = {3, -100, 100};
    ASSERT_EQ(problem.Computed(), problem.Expected()) << multiplier;
  }
}

KERASOPT_INSTANTIATE(GemmTest, kernels.name);

}  // namespace
}  // namespace kerasopt
