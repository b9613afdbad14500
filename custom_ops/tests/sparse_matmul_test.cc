#include "kernels/sparse/sparse_matmul.h"

#include "testing.h"

namespace kerasopt {
namespace {

using SparseMatMulTest = KernelTest;

// A random kernel, dense and as its entries.
template <typename Weight>
struct Kernel {
  Kernel(Random& random, int64_t depth, int64_t columns, int64_t block_columns, int64_t percent)
      : shape{depth, columns, 4 / static_cast<int64_t>(sizeof(Weight)), block_columns, 0},
        dense(depth * columns) {
    const int64_t inputs = shape.element_inputs;
    for (int64_t block = 0; block < shape.blocks(); ++block) {
      for (int64_t row = 0; row < shape.elements(); ++row) {
        if (random.Integer(1, 100) > percent) continue;
        rows.push_back(static_cast<uint16_t>(row));
        for (int64_t j = block * block_columns; j < (block + 1) * block_columns; ++j) {
          for (int64_t k = row * inputs; k < (row + 1) * inputs; ++k) {
            const bool is_inside = k < depth && j < columns;
            const Weight weight = static_cast<Weight>(is_inside ? random.Integer(-128, 127) : 0);
            if (is_inside) dense[k * columns + j] = weight;
            values.push_back(weight);
          }
        }
      }
      ends.push_back(static_cast<uint32_t>(rows.size()));
    }
    shape.entries = static_cast<int64_t>(rows.size());
  }

  SparseEntries entries() const { return {ends.data(), rows.data(), values.data()}; }

  SparseShape shape;
  std::vector<Weight> dense, values;
  std::vector<uint32_t> ends;
  std::vector<uint16_t> rows;
};

template <typename Body>
void ForProblems(const Body& body) {
  unsigned seed = 0;
  for (int64_t rows : {1, 15, 16, 17, 40, 64, 65, 130}) {
    for (int64_t depth : {1, 3, 4, 63, 64, 70}) {
      for (int64_t columns : {1, 3, 4, 16, 17, 66}) {
        for (int64_t block : {1, 4}) {
          ++seed;
          body(rows, depth, columns, block, seed % 4 * 33, seed);
        }
      }
    }
  }
}

TEST_P(SparseMatMulTest, Int8) {
  ForProblems([](int64_t rows, int64_t depth, int64_t columns, int64_t block, int64_t percent,
                 unsigned seed) {
    Random random(seed);
    const Kernel<int8_t> kernel(random, depth, columns, block, percent);
    ASSERT_TRUE(IsConsistent(kernel.shape, kernel.entries()));
    const std::vector<int8_t> x = random.Int8s(rows * depth);
    const std::vector<int32_t> bias = random.Integers<int32_t>(columns, -99999, 99999);
    std::vector<float> multiplier = random.Multipliers(columns);
    if (seed % 8 == 0) multiplier.assign(columns, 1e30f);
    const int32_t zero_point = static_cast<int32_t>(random.Integer(-128, 127));
    const OutputRange output = {static_cast<int32_t>(random.Integer(-128, 127)), -100, 127};
    std::vector<int8_t> expected, y(rows * columns, 99);
    for (int64_t i = 0; i < rows; ++i) {
      for (int64_t j = 0; j < columns; ++j) {
        int64_t sum = 0;
        for (int64_t k = 0; k < depth; ++k) {
          sum += (x[i * depth + k] - zero_point) * kernel.dense[k * columns + j];
        }
        expected.push_back(Requantized(sum, bias[j], multiplier[j], output));
      }
    }
    const SparseInt8Kernel prepared(Kernels(), kernel.shape, kernel.entries(), bias.data(),
                                    multiplier.data(), zero_point);
    SparseQuantizedMatMul(x.data(), rows, prepared, output, y.data(), Threads(1 + seed % 3));
    ASSERT_EQ(y, expected) << rows << " x " << depth << " x " << columns << ", " << block;
  });
}

TEST_P(SparseMatMulTest, Float) {
  ForProblems([](int64_t rows, int64_t depth, int64_t columns, int64_t block, int64_t percent,
                 unsigned seed) {
    Random random(seed);
    const Kernel<float> kernel(random, depth, columns, block, percent);
    std::vector<float> x(rows * depth), expected, y(rows * columns, 99.0f);
    std::vector<float> bias(kernel.shape.blocks() * block);
    for (float& value : x) value = static_cast<float>(random.Integer(-9999, 9999)) / 700.0f;
    for (float& value : bias) value = static_cast<float>(random.Integer(-9999, 9999)) / 700.0f;
    for (int64_t i = 0; i < rows; ++i) {
      for (int64_t j = 0; j < columns; ++j) {
        float sum = bias[j];
        for (int64_t k = 0; k < depth; ++k) {
          sum = std::fma(x[i * depth + k], kernel.dense[k * columns + j], sum);
        }
        expected.push_back(sum);
      }
    }
    SparseMatMul(Kernels(), x.data(), rows, kernel.shape, kernel.entries(), bias.data(), y.data(),
                 Threads(1 + seed % 3));
    ASSERT_EQ(y, expected) << rows << " x " << depth << " x " << columns << ", " << block;
  });
}

TEST(SparseKernelTest, EntriesOutsideOfTheKernelAreFound) {
  const SparseShape shape = {8, 2, 4, 1, 3};
  const std::vector<int8_t> values(12, 1);
  const auto is_consistent = [&](std::vector<uint32_t> ends, std::vector<uint16_t> rows) {
    return IsConsistent(shape, {ends.data(), rows.data(), values.data()});
  };
  EXPECT_TRUE(is_consistent({1, 3}, {1, 0, 1}));
  EXPECT_FALSE(is_consistent({1, 3}, {1, 0, 2}));
  EXPECT_FALSE(is_consistent({4, 3}, {1, 0, 1}));
  EXPECT_FALSE(is_consistent({1, 2}, {1, 0, 1}));
  EXPECT_FALSE(is_consistent({1, 3}, {1, 1, 0}));
  EXPECT_FALSE(is_consistent({1, 3}, {1, 1, 1}));
}

KERASOPT_INSTANTIATE(SparseMatMulTest, kernels.sparse.multiply_int8[0]);

}  // namespace
}  // namespace kerasopt
