#include "kernels/peak/peak.h"

#include "kernels/dispatch.h"

int64_t KerasoptPeakProducts(int64_t steps) {
  const kerasopt::PeakFunction products = kerasopt::Kernels().peak_products;
  return products == nullptr ? 0 : products(steps);
}
