#include "kernels/elementwise.h"

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

KERASOPT_INSTANTIATE(ElementwiseTest);

}  // namespace
}  // namespace kerasopt
