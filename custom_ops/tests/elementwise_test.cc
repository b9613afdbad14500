#include "kernels/elementwise/elementwise.h"

#include <limits>

#include "testing.h"

namespace kerasopt {
namespace {

using ElementwiseTest = KernelTest;

constexpr float kInfinity = std::numeric_limits<float>::infinity();
const std::vector<int64_t> kCounts = {1, 15, 16, 17, 63, 64, 65, 200, 9000};

TEST_P(ElementwiseTest, QuantizeWithWhatIsNotFinite) {
  Random random(2);
  for (int64_t count : kCounts) {
    std::vector<float> x(count);
    for (float& value : x) value = static_cast<float>(random.Integer(-2000, 2000)) / 100.0f;
    x[0] = kInfinity;
    if (count > 2) x[1] = -kInfinity, x[2] = std::nanf("");
    const float scale = 0.1f, zero_point = 3.0f;
    const QuantizationGrid grid(&scale, 1, &zero_point, 1, -128, 127);
    std::vector<int8_t> y(count), expected(count);
    for (int64_t i = 0; i < count; ++i) {
      const float q = std::nearbyint(x[i] / scale) + zero_point;
      expected[i] = std::isnan(q) ? int8_t{3} : static_cast<int8_t>(std::clamp(q, -128.f, 127.f));
    }
    Quantize(x.data(), count, grid, 3, y.data(), Threads(2));
    ASSERT_EQ(y, expected) << count;
  }
}

// What a training that diverges may have for scales and zero points.
TEST_P(ElementwiseTest, FakeQuantizeOnWhatIsNoGrid) {
  const float nan = std::nanf(""), subnormal = 1e-40f;
  const std::vector<float> scales = {0.5f, 0.0f, subnormal, -subnormal, nan, kInfinity, 0.5f, 0.5f};
  const std::vector<float> points = {3.0f, 3.0f, nan, 300.0f, 3.0f, 3.0f, nan, 0.5f};
  const std::vector<float> x = {1.2f, 1.2f, nan, kInfinity, 1.2f, kInfinity, 1.2f, 1.2f};
  const std::vector<float> y = {1.0f, 1.2f, nan, kInfinity, nan, nan, nan, nan};
  const std::vector<float> passed = {1, 1, 1, 1, 0, 0, 0, 0}, upstream(8, 1.0f);
  const auto is_same = [](float a, float b) { return a == b || (std::isnan(a) && std::isnan(b)); };
  for (int64_t i = 0; i < 8; ++i) {
    for (int64_t count : kCounts) {
      const QuantizationGrid grid(&scales[i], 1, &points[i], 1, -128, 127);
      const std::vector<float> values(count, x[i]), ones(count, 1.0f);
      std::vector<float> out(count);
      FakeQuantize(values.data(), count, grid, out.data(), Threads(2));
      ASSERT_TRUE(is_same(out.front(), y[i]) && is_same(out.back(), y[i])) << i;
      FakeQuantizeGradient(ones.data(), values.data(), count, grid, out.data(), Threads(2));
      ASSERT_EQ(out, std::vector<float>(count, passed[i])) << i;
    }
  }
  const QuantizationGrid grid(scales.data(), 8, points.data(), 8, -128, 127);
  std::vector<float> out(8), by_scale(8), clamped(8);
  LearnedScaleGradients(upstream.data(), x.data(), 8, grid, out.data(), by_scale.data(),
                        clamped.data(), Threads(1));
  ASSERT_EQ(out, passed);
  for (int64_t i = 0; i < 8; ++i) {
    const float expected = i == 0 ? 2.0f - 1.2f / 0.5f : passed[i] == 1.0f ? 0.0f : nan;
    ASSERT_TRUE(is_same(by_scale[i], expected)) << i;
    ASSERT_EQ(clamped[i], 1.0f - passed[i]) << i;
  }
}

TEST_P(ElementwiseTest, MinMax) {
  Random random(3);
  for (int64_t count : kCounts) {
    std::vector<float> x(count);
    for (float& value : x) value = static_cast<float>(random.Integer(-2000, 2000));
    float min, max;
    MinMax(x.data(), count, &min, &max, Threads(2));
    ASSERT_EQ(min, *std::min_element(x.begin(), x.end()));
    ASSERT_EQ(max, *std::max_element(x.begin(), x.end()));
    x[count / 2] = std::nanf("");
    MinMax(x.data(), count, &min, &max, Threads(1));
    ASSERT_TRUE(std::isnan(min) && std::isnan(max));
  }
}

KERASOPT_INSTANTIATE(ElementwiseTest, kernels.loops.quantization.min_max);

}  // namespace
}  // namespace kerasopt
