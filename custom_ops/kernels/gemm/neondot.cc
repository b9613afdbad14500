// GEMM for AArch64's NEON with dot products: groups of four 8-bit products (sdot).

#include "kernels/gemm/convert_halves.h"
#include "kernels/gemm/tiles.h"
#include "kernels/gemm/outputs_neon.h"

namespace kerasopt {
namespace {

void Convert(const void* x, int64_t count, void* out) { __builtin_memcpy(out, x, count); }

void Fill(int8_t x, int64_t count, void* out) {
  __builtin_memset(out, static_cast<uint8_t>(x), count);
}

struct Int8Weights {
  using Vector = int32x4_t;
  using Int8Output = kerasopt::Int8Output;
  using FloatOutput = kerasopt::FloatOutput;
  using SumsOutput = kerasopt::SumsOutput;
  static constexpr int kTileRows = 4;
  static constexpr int kColumns = 16, kVectors = 4, kBytes = 64, kQuads = 1;

  static int8x16_t Activations(const char* row, int64_t i) {
    int32_t quad;
    __builtin_memcpy(&quad, row + i * sizeof(quad), sizeof(quad));
    return vreinterpretq_s8_s32(vdupq_n_s32(quad));
  }

  template <int, int kVector>
  static int8x16_t Quad(const int8_t* stored) {
    return vld1q_s8(stored + kVector * 16);
  }

  static Vector Dot(Vector sums, int8x16_t activations, int8x16_t weights) {
    return vdotq_s32(sums, activations, weights);
  }

  template <typename Output>
  __attribute__((always_inline)) static void Store(const Output& output, const Vector* sums,
                                                   int64_t row, int first) {
    output.Store(sums, row, first);
  }
};

// Weights stay in the upper halves of bytes, so their sums are sixteen times what they should be.
struct Int4Weights : Int8Weights {
  static constexpr int kQuads = 2;

  template <int kIndex, int kVector>
  static int8x16_t Quad(const int8_t* stored) {
    const int8x16_t both = Int8Weights::Quad<0, kVector>(stored);
    return kIndex == 0 ? vshlq_n_s8(both, 4) : vandq_s8(both, vdupq_n_s8(-16));
  }

  template <typename Output>
  __attribute__((always_inline)) static void Store(const Output& output, const Vector* sums,
                                                   int64_t row, int first) {
    const Vector totals[] = {sums[0] >> 4, sums[1] >> 4, sums[2] >> 4, sums[3] >> 4};
    output.Store(totals, row, first);
  }
};

constexpr GemmFunctions kInt8 = FunctionsOf<Int8Weights>, kInt4 = FunctionsOf<Int4Weights>;

using Int8Halves = Halves<int8_t, 0>;

}  // namespace

const GemmKernel kGemmNeonDot = {
    sizeof(int8_t), 0, Convert, Int8Halves::ConvertHigh, Int8Halves::ConvertLow, Fill,
    kInt8, &kInt4, nullptr};

}  // namespace kerasopt
