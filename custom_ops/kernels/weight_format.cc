#include "kernels/weight_format.h"

#include <cstring>

namespace kerasopt {
namespace {

constexpr int64_t kBlock = kColumnBlock * kQuad;  // bytes of four rows
constexpr int kFirst[] = {0, 0, 0, 1, 1, 2, 2, 2}, kSecond[] = {1, 2, 3, 2, 3, 3, 3, 3};

// Of a block, to four rows and the four below.
void ExpandInt4(const int8_t* stored, int8_t* low, int8_t* high) {
  for (int64_t i = 0; i < kBlock; ++i) {
    low[i] = static_cast<int8_t>(static_cast<uint8_t>(stored[i]) << 4) >> 4;
    high[i] = stored[i] >> 4;
  }
}

void ExpandTwoOfFour(const int8_t* stored, int8_t* out) {
  std::memset(out, 0, kBlock);
  const int8_t* pairs = stored + 2 * kColumnBlock;
  for (int64_t j = 0; j < kColumnBlock; ++j) {
    const int pair = pairs[j % 2 * 4 + j / 4] >> (j / 2 % 2 * 4) & 7;
    out[j * kQuad + kFirst[pair]] = stored[2 * j];
    out[j * kQuad + kSecond[pair]] = stored[2 * j + 1];
  }
}

}  // namespace

void Expand(const int8_t* stored, WeightFormat format, int64_t quads, int width, int8_t* out) {
  const int64_t blocks = width / kColumnBlock, row_bytes = blocks * kBlock;
  for (int64_t quad = 0; quad < quads; ++quad, out += QuadRows(format) / kQuad * row_bytes) {
    for (int64_t i = 0; i < blocks; ++i, stored += BlockBytes(format)) {
      int8_t* block = out + i * kBlock;
      if (format == WeightFormat::kInt4) {
        ExpandInt4(stored, block, block + row_bytes);
      } else if (format == WeightFormat::kTwoOfFour) {
        ExpandTwoOfFour(stored, block);
      } else {
        std::memcpy(block, stored, kBlock);
      }
    }
  }
}

}  // namespace kerasopt
