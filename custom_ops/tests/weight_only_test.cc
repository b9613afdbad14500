#include "kernels/weight_only/weight_only.h"

#include <cstring>
#include <limits>

#include "testing.h"

namespace kerasopt {
namespace {

using WeightOnlyTest = KernelTest;

// Random matrices of packed integers, in memory of just their size.
struct Matrices {
  Matrices(Random& random, int64_t count, int64_t rows, int64_t depth, int64_t columns, int bits,
           bool transposed, int64_t group, int64_t scale_rows)
      : count(count) {
    for (int64_t i = 0; i < rows * depth; ++i) {
      x.push_back(static_cast<float>(random.Integer(-9999, 9999)) / 3000.0f);
    }
    packed = random.Integers<uint8_t>(count * depth * columns * bits / 8, 0, 255);
    for (int64_t i = 0; i < count * columns * scale_rows; ++i) {
      scale.push_back(static_cast<float>(random.Integer(1, 999)) / 5000.0f);
      zero_point.push_back(static_cast<int8_t>(random.Integer(-2, 1)));
    }
    product = {x.data(),   packed.data(), scale.data(),   zero_point.data(), rows,
               depth,      columns,       group,          scale_rows,        bits,
               transposed, nullptr,       count * columns};
  }

  std::vector<float> Multiplied(const ParallelFor& threads) const {
    std::vector<float> out(product.rows * count * product.columns, 99.0f);
    WeightOnlyProduct computed = product;
    computed.out = out.data();
    WeightOnlyMatMul(computed, count, threads);
    return out;
  }

  // The sum, and the sum of magnitudes.
  std::pair<double, double> Expected(int64_t row, int64_t matrix, int64_t column) const {
    const WeightOnlyProduct& p = product;
    const int64_t per_byte = 8 / p.bits;
    double sum = 0, magnitude = 0;
    for (int64_t k = 0; k < p.depth; ++k) {
      const int64_t at = p.transposed ? column * p.depth + k : k * p.columns + column;
      const int64_t place = matrix * p.depth * p.columns + at;
      const int byte = packed[place / per_byte];
      const int code = byte >> (place % per_byte * p.bits) & ((1 << p.bits) - 1);
      const int64_t run = k / p.group % p.scale_rows;
      const int64_t scales = matrix * p.columns * p.scale_rows;
      const int64_t entry =
          scales + (p.transposed ? column * p.scale_rows + run : run * p.columns + column);
      const int integer = code - (1 << (p.bits - 1)) - zero_point[entry];
      const double term = static_cast<double>(x[row * p.depth + k]) * integer * scale[entry];
      sum += term;
      magnitude += std::abs(term) + std::abs(x[row * p.depth + k] * scale[entry]) * 128;
    }
    return {sum, magnitude};
  }

  int64_t count;
  std::vector<float> x, scale;
  std::vector<uint8_t> packed;
  std::vector<int8_t> zero_point;
  WeightOnlyProduct product;
};

template <typename Body>
void ForProblems(const Body& body) {
  unsigned seed = 0;
  for (int bits : {2, 4, 8}) {
    for (bool transposed : {false, true}) {
      for (int64_t rows : {1, 2, 4, 5, 6, 7, 48, 50}) {
        for (int64_t stored : {8, 24, 64, 136, 264}) {
          for (int64_t other : {1, 3, 64, 70}) {
            ++seed;
            Random random(seed);
            // Half of the problems have groups, which are whole vectors in stored rows.
            const int64_t unit = transposed ? 8 * kPackedVector / bits : 1;
            int64_t depth = transposed ? stored : other;
            const bool has_groups = seed % 2;
            if (has_groups) depth = unit * random.Integer(1, 4);
            const int64_t group = has_groups ? unit : depth;
            const int64_t scale_rows = seed % 3 ? depth / group : 1;
            const int64_t columns = transposed ? other : stored;
            body(Matrices(random, 1 + seed % 2 * (seed % 5 == 0), rows, depth, columns, bits,
                          transposed, group, scale_rows),
                 seed);
          }
        }
      }
    }
  }
}

TEST_P(WeightOnlyTest, SumsAreThoseOfTheIntegers) {
  ForProblems([](const Matrices& matrices, unsigned seed) {
    const WeightOnlyProduct& p = matrices.product;
    const std::vector<float> out = matrices.Multiplied(Threads(1 + seed % 3));
    for (int64_t i = 0; i < static_cast<int64_t>(out.size()); ++i) {
      const int64_t row = i / p.out_stride, at = i % p.out_stride;
      const auto [sum, magnitude] = matrices.Expected(row, at / p.columns, at % p.columns);
      ASSERT_NEAR(out[i], sum, 1e-5 * magnitude + 1e-6)
          << p.rows << " x " << p.depth << " x " << p.columns << ", " << p.bits << " bits"
          << (p.transposed ? ", transposed" : "") << ", group " << p.group;
    }
  });
}

TEST_P(WeightOnlyTest, BitsAreThoseOfTheScalarKernels) {
  ForProblems([this](const Matrices& matrices, unsigned seed) {
    const std::vector<float> found = matrices.Multiplied(Threads(1 + seed % 3));
    ASSERT_TRUE(KerasoptSelectInstructionSet("scalar"));
    const std::vector<float> expected = matrices.Multiplied(Threads(1));
    ASSERT_TRUE(KerasoptSelectInstructionSet(GetParam().c_str()));
    ASSERT_EQ(std::memcmp(found.data(), expected.data(), found.size() * sizeof(float)), 0)
        << matrices.product.bits << " bits, problem " << seed;
  });
}

TEST_P(WeightOnlyTest, RowsAreMultipliedInBlocks) {
  for (bool transposed : {false, true}) {
    Random random(0);
    // More prepared rows than the second-level cache holds.
    Matrices matrices(random, 2, 130, 4096, 66, 8, transposed, transposed ? 4096 : 1, 1);
    const std::vector<float> out = matrices.Multiplied(Threads(2));
    const WeightOnlyProduct& p = matrices.product;
    for (int64_t i = 0; i < static_cast<int64_t>(out.size()); i += 37) {
      const int64_t at = i % p.out_stride;
      const auto [sum, magnitude] =
          matrices.Expected(i / p.out_stride, at / p.columns, at % p.columns);
      ASSERT_NEAR(out[i], sum, 1e-5 * magnitude) << i;
    }
  }
}

TEST_P(WeightOnlyTest, InfiniteAndHugeValuesAreMultipliedWithWeights) {
  const float infinity = std::numeric_limits<float>::infinity();
  for (bool transposed : {false, true}) {
    for (int64_t rows : {1, 7}) {
      Random random(rows);
      Matrices matrices(random, 1, rows, 32, 24, 4, transposed, 32, 1);
      // No weight is 0.
      for (int8_t& zero_point : matrices.zero_point) zero_point = 8;
      for (float& scale : matrices.scale) scale = 1e-3f;
      for (int64_t row = 0; row < rows; ++row) {
        matrices.x[row * 32 + row] = row % 2 ? infinity : 3e38f;
      }
      const std::vector<float> out = matrices.Multiplied(Threads(1));
      for (int64_t i = 0; i < static_cast<int64_t>(out.size()); ++i) {
        const double sum = matrices.Expected(i / 24, 0, i % 24).first;
        if (i / 24 % 2) {
          ASSERT_EQ(out[i], static_cast<float>(sum)) << i;
        } else {
          ASSERT_NEAR(out[i] / sum, 1.0, 1e-5) << i;
        }
      }
    }
  }
}

KERASOPT_INSTANTIATE(WeightOnlyTest, kernels.weight_only);

}  // namespace
}  // namespace kerasopt
