#include "kernels/peak/peak.h"

#include "testing.h"

namespace kerasopt {
namespace {

class PeakTest : public KernelTest {};

TEST_P(PeakTest, CountsTheProductsOfEveryStep) {
  const int64_t products = KerasoptPeakProducts(1);
  EXPECT_EQ(products > 0, GetParam() == "avx2" || GetParam() == "avx512vnni");
  EXPECT_EQ(KerasoptPeakProducts(1000), 1000 * products);
}

KERASOPT_INSTANTIATE(PeakTest, kernels.name);

}  // namespace
}  // namespace kerasopt
