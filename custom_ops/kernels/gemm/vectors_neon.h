// The vectors that tiles.inc is made of, for NEON.

#ifndef KERASOPT_KERNELS_GEMM_VECTORS_NEON_H_
#define KERASOPT_KERNELS_GEMM_VECTORS_NEON_H_

#include <arm_neon.h>

#include <cstdint>

namespace kerasopt {
namespace {

constexpr int kLanes = 4, kStored = 16;

using Ints = int32x4_t;
using Floats = float32x4_t;
using Words = int16x8_t;
using Bytes = int8x16_t;

inline Words RepeatWord(int16_t value) { return vdupq_n_s16(value); }
inline Bytes RepeatByte(int8_t value) { return vdupq_n_s8(value); }
inline Floats Repeat(float value) { return vdupq_n_f32(value); }
inline Floats Smaller(Floats x, Floats y) { return vminq_f32(x, y); }
inline Floats Larger(Floats x, Floats y) { return vmaxq_f32(x, y); }
inline Ints Rounded(Floats x) { return vcvtnq_s32_f32(x); }

inline Bytes Narrowed(const Ints* x, Words zero_point) {
  const Words low = vcombine_s16(vqmovn_s32(x[0]), vqmovn_s32(x[1]));
  const Words high = vcombine_s16(vqmovn_s32(x[2]), vqmovn_s32(x[3]));
  return vcombine_s8(vqmovn_s16(vqaddq_s16(low, zero_point)),
                     vqmovn_s16(vqaddq_s16(high, zero_point)));
}
inline Bytes Clamped(Bytes x, Bytes smallest, Bytes largest) {
  return vminq_s8(vmaxq_s8(x, smallest), largest);
}

}  // namespace
}  // namespace kerasopt

#endif  // KERASOPT_KERNELS_GEMM_VECTORS_NEON_H_
