#include <array>

#include "kernels/elementwise/elementwise.h"
#include "kernels/matrix_product/matrix_product.h"
#include "testing.h"

namespace kerasopt {
namespace {

using PairsTest = KernelTest;
using Shape = std::vector<int64_t>;

struct Pair {
  Shape shape0, shape1, shape;
};

const std::vector<Pair> kPairs = {
    {{}, {}, {}},
    {{1}, {15}, {15}},
    {{16}, {16}, {16}},
    {{3, 1, 65}, {65}, {3, 1, 65}},
    {{2, 7, 5, 17}, {2, 1, 1, 17}, {2, 7, 5, 17}},
    {{4, 3, 2}, {4, 3, 1}, {4, 3, 2}},
    {{5, 1}, {1, 6}, {5, 6}},
    {{1, 9, 1}, {4, 1, 33}, {4, 9, 33}},
    {{9000}, {1}, {9000}},
    {{2, 5000}, {5000}, {2, 5000}},
};

int64_t Count(const Shape& shape) {
  int64_t count = 1;
  for (int64_t size : shape) count *= size;
  return count;
}

// Where the value of an operand is that value `index` of the broadcast shape comes from.
int64_t SourceOf(int64_t index, const Shape& shape, const Shape& operand) {
  int64_t source = 0, stride = 1;
  for (size_t i = 1; i <= shape.size(); ++i) {
    const int64_t place = index % shape[shape.size() - i];
    index /= shape[shape.size() - i];
    if (i > operand.size()) continue;
    const int64_t size = operand[operand.size() - i];
    source += (size == 1 ? 0 : place) * stride;
    stride *= size;
  }
  return source;
}

// Runs op(x0, x1, pair, out) on random values, and expects formula(x0, x1) of each.
template <typename T = int8_t, typename Op, typename Formula>
void ExpectPairs(unsigned seed, const Op& op, const Formula& formula) {
  Random random(seed);
  for (const Pair& each : kPairs) {
    for (bool swapped : {false, true}) {
      const Shape& shape0 = swapped ? each.shape1 : each.shape0;
      const Shape& shape1 = swapped ? each.shape0 : each.shape1;
      Shape shape;
      ASSERT_TRUE(BroadcastShape(shape0, shape1, &shape));
      ASSERT_EQ(shape, each.shape);
      const auto x0 = random.Extremes<T>(Count(shape0)), x1 = random.Extremes<T>(Count(shape1));
      std::vector<T> y(Count(shape)), expected(Count(shape));
      for (int64_t i = 0; i < Count(shape); ++i) {
        expected[i] = formula(x0[SourceOf(i, shape, shape0)], x1[SourceOf(i, shape, shape1)]);
      }
      op(x0.data(), x1.data(), BroadcastPair(shape0, shape1), y.data());
      ASSERT_EQ(y, expected) << testing::PrintToString(shape0) << testing::PrintToString(shape1);
    }
  }
}

TEST_P(PairsTest, Add) {
  const AddParameters p = {1 << 20, 12345, 20, -128, 127, 5, -100, 90};
  ExpectPairs(
      0,
      [&](const int8_t* x0, const int8_t* x1, const BroadcastPair& pair, int8_t* out) {
        QuantizedAdd(x0, x1, pair, p, out, Threads(2));
      },
      [&](int8_t x0, int8_t x1) {
        const int64_t sum = int64_t{x0 - p.zero_point0} * p.multiplier0 +
                            int64_t{x1 - p.zero_point1} * p.multiplier1 + (1 << (p.shift - 1));
        return static_cast<int8_t>(std::clamp<int64_t>((sum >> p.shift) + p.output_zero_point,
                                                       p.output_min, p.output_max));
      });
}

TEST_P(PairsTest, AddInt16) {
  for (int shift : {9, 20, 30}) {
    const AddParameters p = {1 << 21, 1234567, shift, 0, 0, 0, -32000, 32100};
    ExpectPairs<int16_t>(
        shift,
        [&](const int16_t* x0, const int16_t* x1, const BroadcastPair& pair, int16_t* out) {
          QuantizedAdd(x0, x1, pair, p, out, Threads(2));
        },
        [&](int16_t x0, int16_t x1) {
          const int64_t sum = int64_t{x0} * p.multiplier0 + int64_t{x1} * p.multiplier1 +
                              (int64_t{1} << (p.shift - 1));
          return static_cast<int16_t>(
              std::clamp<int64_t>(sum >> p.shift, p.output_min, p.output_max));
        });
  }
}

TEST_P(PairsTest, Multiply) {
  const OutputRange output = {7, -120, 100};
  const ProductParameters p = {-128, 127, 0.013f, -127.0f, 93.0f, 7};
  ExpectPairs(
      1,
      [&](const int8_t* x0, const int8_t* x1, const BroadcastPair& pair, int8_t* out) {
        QuantizedMultiply(x0, x1, pair, p, out, Threads(2));
      },
      [&](int8_t x0, int8_t x1) {
        return Requantized((x0 - p.zero_point0) * (x1 - p.zero_point1), 0, p.multiplier, output);
      });
}

// Matrices of a shape in a batch with three axes.
Strided Matrices(Shape batch, int64_t rows, int64_t columns, bool is_transposed) {
  if (is_transposed) std::swap(rows, columns);
  batch.insert(batch.end(), {rows, columns});
  const Strided stored(batch);
  return is_transposed ? stored.Permuted({0, 1, 2, 4, 3}) : stored;
}

TEST_P(PairsTest, MatrixProducts) {
  Random random(2);
  const Shape batch0 = {2, 1, 3}, batch1 = {1, 2, 3};
  Shape batch;
  ASSERT_TRUE(BroadcastShape(batch0, batch1, &batch));
  // Of matrices as they are, and of transposed ones.
  const std::vector<std::array<bool, 2>> transposed = {{false, false}, {false, true}, {true, true}};
  for (int64_t rows : {1, 4, 7, 9, 16}) {
    for (int64_t depth : {0, 1, 2, 33, 64}) {
      for (int64_t columns : {1, 15, 16, 17, 50}) {
        for (const auto& is_transposed : transposed) {
          const std::vector<int8_t> x0 = random.Int8s(Count(batch0) * rows * depth);
          const std::vector<int8_t> x1 = random.Int8s(Count(batch1) * depth * columns);
          std::vector<int8_t> y(Count(batch) * rows * columns), expected(y.size());
          Strided operand0 = Matrices(batch0, rows, depth, is_transposed[0]);
          Strided operand1 = Matrices(batch1, depth, columns, is_transposed[1]);
          const MatrixProduct p = {x0.data(),
                                   x1.data(),
                                   rows,
                                   depth,
                                   columns,
                                   {operand0.strides[3], operand0.strides[4]},
                                   {operand1.strides[3], operand1.strides[4]},
                                   -128,
                                   127,
                                   {0, 0.003f, -135.0f, 120.0f, 7}};
          for (int64_t i = 0; i < static_cast<int64_t>(y.size()); ++i) {
            const int64_t matrix = i / (rows * columns);
            const int64_t row = i / columns % rows, column = i % columns;
            const int8_t* left = x0.data() + SourceOf(matrix, batch, batch0) * rows * depth;
            const int8_t* right = x1.data() + SourceOf(matrix, batch, batch1) * depth * columns;
            int64_t sum = 0;
            for (int64_t k = 0; k < depth; ++k) {
              sum += (left[is_transposed[0] ? k * rows + row : row * depth + k] - p.zero_point0) *
                     (right[is_transposed[1] ? column * depth + k : k * columns + column] -
                      p.zero_point1);
            }
            expected[i] = Requantized(sum, 0, p.output.multiplier, {7, -128, 127});
          }
          QuantizedBatchMatMul(p, BroadcastPair(operand0.Without(2), operand1.Without(2)), y.data(),
                               Threads(2));
          ASSERT_EQ(y, expected) << rows << ", " << depth << ", " << columns;
        }
      }
    }
  }
}

TEST(BroadcastTest, ShapesThatDoNotBroadcast) {
  Shape shape;
  EXPECT_FALSE(BroadcastShape({2, 3}, {2}, &shape));
  EXPECT_FALSE(BroadcastShape({2, 3}, {4, 1, 2}, &shape));
  EXPECT_TRUE(BroadcastShape({0, 3}, {1, 1}, &shape));
  EXPECT_EQ(shape, (Shape{0, 3}));
}

KERASOPT_INSTANTIATE(PairsTest, kernels.loops.pairs.add);

}  // namespace
}  // namespace kerasopt
