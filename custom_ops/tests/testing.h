// What the tests share: instruction sets, threads, random values, and the arithmetic spelled out.

#ifndef KERASOPT_TESTS_TESTING_H_
#define KERASOPT_TESTS_TESTING_H_

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "kernels/dispatch.h"
#include "kernels/gemm.h"

namespace kerasopt {

// Those that this CPU has, from the table of the library.
inline std::vector<std::string> InstructionSets() {
  std::vector<std::string> available;
  for (const char* name : {"scalar", "avx2", "avx512vnni"}) {
    if (KerasoptSelectInstructionSet(name)) available.push_back(name);
  }
  return available;
}

// A test that runs once for each instruction set.
class KernelTest : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override { ASSERT_TRUE(KerasoptSelectInstructionSet(GetParam().c_str())); }
};

#define KERASOPT_INSTANTIATE(Suite)                                              \
  INSTANTIATE_TEST_SUITE_P(All, Suite, testing::ValuesIn(InstructionSets()),     \
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

  // Each of them is an end of int8's range in one of four cases.
  std::vector<int8_t> Int8s(int64_t count) {
    std::vector<int8_t> values = Integers<int8_t>(count, -128, 127);
    for (int8_t& value : values) {
      if (Integer(0, 3) == 0) value = Integer(0, 1) ? 127 : -128;
    }
    return values;
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

// A kernel (groups, runs, depth, columns) in the order that packed_kernel.h tells.
inline std::vector<int8_t> Packed(const std::vector<int8_t>& kernel, const PackedShape& shape) {
  std::vector<int8_t> packed(shape.bytes(), 0);
  const int64_t run_quads = shape.quads() / shape.runs;
  for (int64_t i = 0; i < static_cast<int64_t>(kernel.size()); ++i) {
    const int64_t column = i % shape.columns, row = i / shape.columns;
    const int64_t depth = row % shape.depth, run = row / shape.depth % shape.runs;
    const int64_t group = row / shape.depth / shape.runs;
    const int64_t panel = column / kPanelColumns * kPanelColumns;
    const int64_t width = std::min(kPanelColumns, shape.width() - panel);
    const int64_t quad = run * run_quads + depth / kQuad;
    packed[group * shape.group_bytes() + panel * shape.quads() * kQuad +
           (quad * width + column - panel) * kQuad + depth % kQuad] = kernel[i];
  }
  return packed;
}

}  // namespace kerasopt

#endif  // KERASOPT_TESTS_TESTING_H_
