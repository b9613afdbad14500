#include "kernels/elementwise/functions.h"

#include "testing.h"

namespace kerasopt {
namespace {

using FunctionsTest = KernelTest;

const std::vector<int64_t> kSizes = {1, 2, 15, 16, 31, 32, 33, 63, 64, 65, 200, 1000};

TEST_P(FunctionsTest, LookUp) {
  Random random(0);
  std::vector<int64_t> counts = kSizes;
  counts.insert(counts.end(), {0, 8192, 20001});
  for (int64_t count : counts) {
    const std::vector<int8_t> x = random.Int8s(count), table = random.Int8s(256);
    std::vector<int8_t> y(count), expected(count);
    for (int64_t i = 0; i < count; ++i) expected[i] = table[x[i] + 128];
    LookUp(x.data(), count, table.data(), y.data(), Threads(2));
    ASSERT_EQ(y, expected) << count;
  }
}

TEST_P(FunctionsTest, LookUpOfEveryValue) {
  std::vector<int8_t> x(256), table(256), y(256);
  for (int i = 0; i < 256; ++i) x[i] = static_cast<int8_t>(i), table[i] = static_cast<int8_t>(~i);
  LookUp(x.data(), 256, table.data(), y.data(), Threads(1));
  for (int i = 0; i < 256; ++i) ASSERT_EQ(y[i], table[x[i] + 128]);
}

TEST_P(FunctionsTest, Softmax) {
  Random random(1);
  std::vector<int32_t> table(256);
  for (int i = 0; i < 256; ++i) table[i] = static_cast<int32_t>(std::rint(std::exp2(24 - i / 9.0)));
  for (int64_t size : kSizes) {
    const int64_t rows = 3;
    const std::vector<int8_t> x = random.Int8s(rows * size);
    std::vector<int8_t> y(rows * size), expected;
    for (int64_t row = 0; row < rows; ++row) {
      const auto begin = x.begin() + row * size;
      const int8_t largest = *std::max_element(begin, begin + size);
      int64_t high = 0, low = 0;
      for (int64_t i = 0; i < size; ++i) {
        high += table[largest - begin[i]] >> 12;
        low += table[largest - begin[i]] & 4095;
      }
      const float total = static_cast<float>(high) * 4096.0f + static_cast<float>(low);
      for (int64_t i = 0; i < size; ++i) {
        const float q = std::nearbyint(static_cast<float>(table[largest - begin[i]]) * 256 / total);
        expected.push_back(static_cast<int8_t>(std::min(q - 128, 127.0f)));
      }
    }
    QuantizedSoftmax(x.data(), rows, size, table.data(), y.data(), Threads(2));
    ASSERT_EQ(y, expected) << size;
  }
}

int8_t Normalized(int64_t centred, int64_t rest, int64_t size, float root, float gain,
                  int32_t offset, int32_t zero_point) {
  const float scaled = static_cast<float>(centred * size - rest) / root * gain;
  const int64_t t = static_cast<int64_t>(std::clamp(std::nearbyint(scaled), -0x1p24f, 0x1p24f));
  return static_cast<int8_t>(
      std::clamp<int64_t>(((t + offset + 32768) >> 16) + zero_point, -128, 127));
}

TEST_P(FunctionsTest, LayerNormalization) {
  Random random(2);
  std::vector<int64_t> sizes = kSizes;
  sizes.push_back(kLongestRow);
  for (int64_t size : sizes) {
    const int64_t rows = 4;
    std::vector<int8_t> x = random.Int8s(rows * size);
    std::fill_n(x.begin(), size, int8_t{-128});                                // no variance
    for (int64_t i = 0; i < size; ++i) x[size + i] = i % 2 == 0 ? 127 : -128;  // the largest one
    std::vector<float> gain(size);
    for (float& value : gain) value = static_cast<float>(random.Integer(-100000000, 100000000));
    const std::vector<int32_t> offset = random.Integers<int32_t>(size, -9999999, 9999999);
    const float epsilon = 3.5f;
    std::vector<int8_t> y(rows * size), expected;
    for (int64_t row = 0; row < rows; ++row) {
      const auto begin = x.begin() + row * size;
      int64_t sum = 0, rest = 0, squares = 0;
      for (int64_t i = 0; i < size; ++i) sum += begin[i];
      const int64_t mean = static_cast<int64_t>(
          std::nearbyint(static_cast<float>(sum) * static_cast<float>(1.0 / size)));
      for (int64_t i = 0; i < size; ++i) {
        rest += begin[i] - mean;
        squares += (begin[i] - mean) * (begin[i] - mean);
      }
      const float spread = static_cast<float>(squares - rest * rest / size);
      const float root = std::max(std::nearbyint(std::sqrt(spread + epsilon) * 4096.0f), 1.0f);
      for (int64_t i = 0; i < size; ++i) {
        expected.push_back(Normalized(begin[i] - mean, rest, size, root, gain[i], offset[i], -7));
      }
    }
    QuantizedLayerNormalization(x.data(), rows, size, {gain.data(), offset.data(), epsilon, -7},
                                y.data(), Threads(2));
    ASSERT_EQ(y, expected) << size;
  }
}

KERASOPT_INSTANTIATE(FunctionsTest, kernels.loops.functions.look_up);

}  // namespace
}  // namespace kerasopt
