// GEMM for AArch64's NEON with dot products: groups of four 8-bit products (sdot).

#include "kernels/gemm/conversions.h"
#include "kernels/gemm/vectors_neon.h"

// Made of these vectors.
#include "kernels/gemm/tiles.inc"

namespace kerasopt {
namespace {

struct Int8Weights {
  static constexpr int kTileRows = 4;
  static constexpr int kColumns = 16, kVectors = 4, kBytes = 64, kQuads = 1;

  static int8x16_t Activations(const char* row, int64_t i) {
    return vreinterpretq_s8_s32(vdupq_n_s32(Load<int32_t>(row + i * 4)));
  }

  template <int, int kVector>
  static int8x16_t Quad(const int8_t* stored) {
    return vld1q_s8(stored + kVector * 16);
  }

  static Ints Dot(Ints sums, int8x16_t activations, int8x16_t weights) {
    return vdotq_s32(sums, activations, weights);
  }

  template <typename Output>
  __attribute__((always_inline)) static void Store(const Output& output, const Ints* sums,
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
  __attribute__((always_inline)) static void Store(const Output& output, const Ints* sums,
                                                   int64_t row, int first) {
    const Ints totals[] = {sums[0] >> 4, sums[1] >> 4, sums[2] >> 4, sums[3] >> 4};
    output.Store(totals, row, first);
  }
};

constexpr GemmFunctions kInt8 = FunctionsOf<Int8Weights>, kInt4 = FunctionsOf<Int4Weights>;

using Int8s = Conversions<int8_t, 0>;

}  // namespace

const GemmKernel kGemmNeonDot = Int8s::KernelOf(Int8s::Convert, kInt8, &kInt4, nullptr);

}  // namespace kerasopt
