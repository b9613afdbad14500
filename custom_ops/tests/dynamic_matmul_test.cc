#include "kernels/gemm/dynamic_matmul.h"

#include <limits>

#include "testing.h"

namespace kerasopt {
namespace {

using DynamicMatMulTest = KernelTest;

constexpr float kMax = std::numeric_limits<float>::max();

// Row by row, as FloatScaling tells.
std::vector<float> Expected(const std::vector<float>& x, const std::vector<int8_t>& kernel,
                            const std::vector<float>& scale, const std::vector<float>& bias) {
  const int64_t columns = scale.size(), depth = kernel.size() / columns;
  float smallest = kSmallestScale;
  for (int64_t j = 0; j < columns; ++j) {
    smallest = std::max(smallest, std::min(std::abs(bias[j]) / scale[j], kMax) / (1 << 30));
  }
  std::vector<float> y;
  for (size_t row = 0; row < x.size() / depth; ++row) {
    std::vector<float> finite;
    float largest = 0.0f;
    for (int64_t k = 0; k < depth; ++k) {
      const float value = x[row * depth + k];
      finite.push_back(std::isnan(value) ? 0.0f : std::clamp(value, -kMax, kMax));
      largest = std::max(largest, std::abs(finite.back()));
    }
    const float divisor = std::max(largest * (1.0f / 127.0f), smallest);
    for (int64_t j = 0; j < columns; ++j) {
      int64_t sum = 0;
      for (int64_t k = 0; k < depth; ++k) {
        const float q = std::clamp(std::nearbyint(finite[k] / divisor), -127.0f, 127.0f);
        sum += static_cast<int64_t>(q) * kernel[k * columns + j];
      }
      const float m = std::max(divisor * scale[j], kSmallestScale);
      sum += static_cast<int64_t>(
          std::clamp(std::nearbyint(bias[j] / m), -kLargestOffset, kLargestOffset));
      y.push_back(static_cast<float>(static_cast<int32_t>(sum)) * m);
    }
  }
  return y;
}

std::vector<float> Computed(const std::vector<float>& x, const std::vector<int8_t>& kernel,
                            const std::vector<float>& scale, const std::vector<float>& bias,
                            int threads, WeightFormat format = WeightFormat::kInt8) {
  const int64_t columns = scale.size(), depth = kernel.size() / columns;
  const PackedShape shape = {1, 1, depth, columns, format};
  const std::vector<int8_t> packed = Packed(kernel, shape);
  const DynamicKernel prepared(Kernels(), shape, packed.data(), scale.data(), bias.data());
  std::vector<float> y(x.size() / depth * columns, 99.0f);
  DynamicMatMul(x.data(), x.size() / depth, prepared, y.data(), Threads(threads));
  return y;
}

TEST_P(DynamicMatMulTest, RowsColumnsAndDepths) {
  Random random(0);
  for (int64_t rows : {1, 2, 7, 40}) {
    for (int64_t columns : {1, 16, 40, 63, 150}) {
      for (int64_t depth : {1, 6, 64, 131}) {
        std::vector<float> x(rows * depth), bias(columns), scale = random.Multipliers(columns);
        for (float& value : x) value = static_cast<float>(random.Integer(-999, 999)) / 37.0f;
        for (float& value : bias) value = static_cast<float>(random.Integer(-999, 999)) / 7.0f;
        if (depth == 6) std::fill(bias.begin(), bias.end(), 0.0f);
        const std::vector<int8_t> kernel = random.Int8s(depth * columns);
        ASSERT_EQ(Computed(x, kernel, scale, bias, 1), Expected(x, kernel, scale, bias))
            << rows << " x " << depth << " x " << columns;
        ASSERT_EQ(Computed(x, kernel, scale, bias, 3), Expected(x, kernel, scale, bias));
      }
    }
  }
}

TEST_P(DynamicMatMulTest, EveryFormatOfWeights) {
  Random random(1);
  for (WeightFormat format : {WeightFormat::kInt4, WeightFormat::kTwoOfFour}) {
    for (int64_t rows : {1, 2, 9}) {
      for (int64_t columns : {1, 24, 40, 130}) {
        for (int64_t depth : {3, 8, 77}) {
          std::vector<float> x(rows * depth), bias(columns), scale = random.Multipliers(columns);
          for (float& value : x) value = static_cast<float>(random.Integer(-999, 999)) / 37.0f;
          for (float& value : bias) value = static_cast<float>(random.Integer(-999, 999)) / 7.0f;
          const std::vector<int8_t> kernel = random.Kernel(depth, columns, format);
          ASSERT_EQ(Computed(x, kernel, scale, bias, 1, format), Expected(x, kernel, scale, bias))
              << static_cast<int>(format) << ": " << rows << " x " << depth << " x " << columns;
        }
      }
    }
  }
}

TEST_P(DynamicMatMulTest, WhatIsNotFiniteAndWhatUnderflows) {
  const float infinity = std::numeric_limits<float>::infinity(), nan = std::nanf("");
  const std::vector<float> x = {nan,      2.0f,   -1.0f, nan,  nan,   nan,
                                infinity, 3.0f,   -5.0f, 0.0f, -0.0f, 0.0f,
                                1e-32f,   1e-40f, 0.0f,  kMax, 1.0f,  -infinity};
  const std::vector<int8_t> kernel = {1, -128, 5, 127, -3, 90};
  for (float scale : {1e-3f, 1e-20f}) {
    const std::vector<float> scales(2, scale), bias = {0.25f, -1e30f};
    ASSERT_EQ(Computed(x, kernel, scales, bias, 1), Expected(x, kernel, scales, bias)) << scale;
  }
}

KERASOPT_INSTANTIATE(DynamicMatMulTest, kernels.name);

}  // namespace
}  // namespace kerasopt
