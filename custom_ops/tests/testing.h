// What the tests share: instruction sets, threads, random values, and the arithmetic spelled out.

#ifndef KERASOPT_TESTS_TESTING_H_
#define KERASOPT_TESTS_TESTING_H_

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

#include "gtest/gtest.h"
#include "kernels/dispatch.h"
#include "kernels/gemm/gemm.h"

namespace kerasopt {

// Those that this CPU has, from the table of the library, with functions of their own.
template <typename FunctionsOf>
std::vector<std::string> InstructionSets(const FunctionsOf& functions_of) {
  std::vector<std::string> names;
  std::vector<decltype(functions_of(Kernels()))> known;
  for (const char* name : {"scalar", "avx2", "avxvnni", "avx512vnni", "neondot"}) {
    if (!KerasoptSelectInstructionSet(name)) continue;
    const auto functions = functions_of(Kernels());
    if (std::find(known.begin(), known.end(), functions) != known.end()) continue;
    known.push_back(functions);
    names.push_back(name);
  }
  return names;
}

// A test that runs once for each instruction set.
class KernelTest : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override { ASSERT_TRUE(KerasoptSelectInstructionSet(GetParam().c_str())); }
};

// The functions of a table, `kernels`, that a suite tests follow its name: what has them from
// another instruction set runs the same code, and is left out.
#define KERASOPT_INSTANTIATE(Suite, ...)                                                      \
  INSTANTIATE_TEST_SUITE_P(All, Suite,                                                        \
                           testing::ValuesIn(InstructionSets([](const KernelTable& kernels) { \
                             return std::make_tuple(__VA_ARGS__);                             \
                           })),                                                               \
                           [](const auto& info) { return info.param; })

// As many threads as asked for; each takes a range of the items.
class Threads : public ParallelFor {
 public:
  explicit Threads(int count) : count_(count) {}

  int threads() const override { return count_; }

  void Run(int64_t total, int64_t, RangeBody body) const override {
    std::vector<std::thread> running;
    for (int i = 0; i < count_; ++i) {
      const int64_t begin = total * i / count_, end = total * (i + 1) / count_;
      if (begin < end) running.emplace_back([=] { body(begin, end); });
    }
    for (std::thread& thread : running) thread.join();
  }

 private:
  int count_;
};

class Random {
 public:
  explicit Random(unsigned seed) : engine_(seed) {}

  int64_t Integer(int64_t low, int64_t high) {
    return std::uniform_int_distribution<int64_t>(low, high)(engine_);
  }

  template <typename T>
  std::vector<T> Integers(int64_t count, int64_t low, int64_t high) {
    std::vector<T> values(count);
    for (T& value : values) value = static_cast<T>(Integer(low, high));
    return values;
  }

  // Each of them is an end of the type's range in one of four cases.
  template <typename T>
  std::vector<T> Extremes(int64_t count) {
    constexpr T kMin = std::numeric_limits<T>::min(), kMax = std::numeric_limits<T>::max();
    std::vector<T> values = Integers<T>(count, kMin, kMax);
    for (T& value : values) {
      if (Integer(0, 3) == 0) value = Integer(0, 1) ? kMax : kMin;
    }
    return values;
  }
  std::vector<int8_t> Int8s(int64_t count) { return Extremes<int8_t>(count); }

  // A kernel that a format can hold: as 2:4, two rows of four are not zero, others in each column.
  std::vector<int8_t> Kernel(int64_t depth, int64_t columns, WeightFormat format) {
    if (format == WeightFormat::kInt4) return Integers<int8_t>(depth * columns, -8, 7);
    std::vector<int8_t> kernel = Int8s(depth * columns);
    for (int64_t i = 0; format == WeightFormat::kTwoOfFour && i < depth * columns; ++i) {
      const int64_t row = i / columns, turn = i % columns % 3 + 1;
      if ((row % 4 ^ row % 4 / 2 * turn) % 2 == 0) kernel[i] = 0;
    }
    return kernel;
  }

  std::vector<float> Multipliers(int64_t count) {
    std::vector<float> values(count);
    for (float& value : values) value = std::exp2(-static_cast<float>(Integer(0, 2000)) / 100.0f);
    return values;
  }

 private:
  std::mt19937 engine_;
};

inline int8_t Requantized(int64_t sum, int32_t bias, float multiplier, const OutputRange& output) {
  const uint32_t wrapped = static_cast<uint32_t>(sum) + static_cast<uint32_t>(bias);
  const float scaled = static_cast<float>(static_cast<int32_t>(wrapped)) * multiplier;
  const double q = std::nearbyint(scaled) + output.zero_point;
  return static_cast<int8_t>(std::clamp<double>(q, output.min, output.max));
}

// Writes a weight of a column of a block, in a row of its quad, as weight_format.h tells.
inline void Store(int8_t weight, WeightFormat format, int64_t column, int64_t row, int8_t* block) {
  constexpr int kPairs[6][2] = {{0, 1}, {0, 2}, {0, 3}, {1, 2}, {1, 3}, {2, 3}};
  if (format == WeightFormat::kInt8) {
    block[column * kQuad + row] = weight;
  } else if (format == WeightFormat::kInt4) {
    block[column * kQuad + row % 4] |= (weight & 15) << (row < 4 ? 0 : 4);
  } else if (weight != 0) {
    // Of the pairs with this row, the first one that has the row of the other weight, too.
    int8_t* half = block + 32 + column % 2 * 4 + column / 4;
    const int shift = column / 2 % 2 * 4, old = *half >> shift & 7;
    int other = -1;
    for (int i : {0, 1}) {
      if (block[column * 2 + i] != 0) other = kPairs[old][i];
    }
    const int8_t kept = other < 0 ? 0 : block[column * 2 + (kPairs[old][1] == other)];
    for (int pair = 0; pair < 6; ++pair) {
      const bool has_row = kPairs[pair][0] == row || kPairs[pair][1] == row;
      if (!has_row || (other >= 0 && kPairs[pair][0] != other && kPairs[pair][1] != other))
        continue;
      *half = static_cast<int8_t>((*half & ~(15 << shift)) | pair << shift);
      for (int i : {0, 1}) block[column * 2 + i] = kPairs[pair][i] == row ? weight : kept;
      return;
    }
  }
}

// A kernel (groups, runs, depth, columns) in the order that packed_kernel.h tells.
inline std::vector<int8_t> Packed(const std::vector<int8_t>& kernel, const PackedShape& shape) {
  std::vector<int8_t> packed(shape.bytes(), 0);
  const int64_t run_quads = shape.quads() / shape.runs, rows = QuadRows(shape.format);
  const int64_t bytes = BlockBytes(shape.format), panel_blocks = kPanelColumns / kColumnBlock;
  for (int64_t i = 0; i < static_cast<int64_t>(kernel.size()); ++i) {
    const int64_t column = i % shape.columns, row = i / shape.columns;
    const int64_t depth = row % shape.depth, run = row / shape.depth % shape.runs;
    const int64_t group = row / shape.depth / shape.runs;
    const int64_t block = column / kColumnBlock, first = block / panel_blocks * panel_blocks;
    const int64_t width = std::min(panel_blocks, shape.width() / kColumnBlock - first);
    const int64_t quad = run * run_quads + depth / rows;
    Store(kernel[i], shape.format, column % kColumnBlock, depth % rows,
          packed.data() + group * shape.group_bytes() +
              (first * shape.quads() + quad * width + block - first) * bytes);
  }
  return packed;
}

}  // namespace kerasopt

#endif  // KERASOPT_TESTS_TESTING_H_
