#include "kernels/binary/binary.h"

#include "testing.h"

namespace kerasopt {
namespace {

using BinaryTest = KernelTest;

// A kernel (runs, depth, columns) of 1 and -1 in the order that packed_kernel.h tells.
std::vector<int8_t> PackedSigns(const std::vector<int8_t>& kernel, const PackedShape& shape) {
  std::vector<int8_t> packed(shape.bytes(), 0);
  const int64_t run_quads = shape.quads() / shape.runs, panel_blocks = kPanelColumns / kColumnBlock;
  for (int64_t i = 0; i < static_cast<int64_t>(kernel.size()); ++i) {
    if (kernel[i] > 0) continue;
    const int64_t column = i % shape.columns, row = i / shape.columns % shape.depth;
    const int64_t quad = i / shape.columns / shape.depth * run_quads + row / 32;
    const int64_t block = column / kColumnBlock, first = block / panel_blocks * panel_blocks;
    const int64_t width = std::min(panel_blocks, shape.width() / kColumnBlock - first);
    const int64_t at = (first * shape.quads() + quad * width + block - first) * 64 +
                       column % kColumnBlock * 4 + row % 32 / 8;
    packed[at] = static_cast<int8_t>(packed[at] | 1 << row % 8);
  }
  return packed;
}

void Check(const ConvolutionShape& shape, int64_t filters, int threads, unsigned seed) {
  Random random(seed);
  const Window &height = shape.height, &width = shape.width;
  std::vector<float> x(shape.batch * height.input * width.input * shape.channels);
  for (float& value : x) value = static_cast<float>(random.Integer(-3, 3)) / 2.0f;
  if (!x.empty()) x[0] = std::nanf(""), x.back() = -0.0f;
  const PackedShape packed_shape = PackedBinary(shape, filters);
  std::vector<int8_t> kernel(packed_shape.runs * shape.channels * filters);
  for (int8_t& weight : kernel) weight = random.Integer(0, 1) ? 1 : -1;
  std::vector<float> scale = random.Multipliers(filters), bias(filters);
  for (float& value : bias) value = static_cast<float>(random.Integer(-999, 999)) / 70.0f;

  std::vector<float> expected;
  for (int64_t n = 0; n < shape.batch; ++n) {
    for (int64_t i = 0; i < height.output; ++i) {
      for (int64_t j = 0; j < width.output; ++j) {
        for (int64_t f = 0; f < filters; ++f) {
          int64_t sum = 0;
          for (int64_t run = 0; run < packed_shape.runs; ++run) {
            const int64_t line =
                i * height.stride - height.pad_before + run / width.kernel * height.dilation;
            const int64_t pixel =
                j * width.stride - width.pad_before + run % width.kernel * width.dilation;
            if (line < 0 || line >= height.input || pixel < 0 || pixel >= width.input) continue;
            for (int64_t c = 0; c < shape.channels; ++c) {
              const float value =
                  x[((n * height.input + line) * width.input + pixel) * shape.channels + c];
              const int weight = kernel[(run * shape.channels + c) * filters + f];
              sum += value >= 0.0f ? weight : -weight;
            }
          }
          const float m = std::max(scale[f] / 4096.0f, kSmallestScale);
          const float offset =
              std::clamp(std::nearbyint(bias[f] / m), -kLargestOffset, kLargestOffset);
          sum = sum * 4096 + static_cast<int64_t>(offset);
          expected.push_back(static_cast<float>(static_cast<int32_t>(sum)) * m);
        }
      }
    }
  }
  const std::vector<int8_t> packed = PackedSigns(kernel, packed_shape);
  const BinaryKernel prepared(Kernels(), packed_shape, packed.data(), scale.data(), bias.data());
  std::vector<float> y(expected.size(), 99.0f);
  BinaryConv2D(x.data(), shape, prepared, y.data(), Threads(threads));
  ASSERT_EQ(y, expected) << shape.channels << " to " << filters << ", " << seed;
}

TEST_P(BinaryTest, RowsChannelsAndFilters) {
  unsigned seed = 0;
  for (int64_t rows : {1, 5, 6, 40, 200}) {
    for (int64_t channels : {1, 8, 31, 32, 33, 64, 200}) {
      for (int64_t filters : {1, 16, 40, 64, 130}) {
        ++seed;
        Check({1, channels, MakeWindow(rows, 1, 1, 1, {}), MakeWindow(1, 1, 1, 1, {})}, filters,
              1 + seed % 3, seed);
      }
    }
  }
}

TEST_P(BinaryTest, Windows) {
  unsigned seed = 0;
  for (int64_t stride : {1, 2}) {
    for (int64_t dilation : {1, 2}) {
      for (const Padding& padding :
           {Padding{true, 0, 0}, Padding{false, 0, 0}, Padding{false, 4, 1}}) {
        for (int64_t channels : {3, 32, 40}) {
          ++seed;
          Check({2, channels, MakeWindow(7, 3, stride, dilation, padding),
                 MakeWindow(6, 2, stride, dilation, padding)},
                20, 1 + seed % 3, seed);
        }
      }
    }
  }
}

KERASOPT_INSTANTIATE(BinaryTest, kernels.binary, kernels.loops.sign_bits);

}  // namespace
}  // namespace kerasopt
