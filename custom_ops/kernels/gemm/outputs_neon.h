// What the sums of a panel become, for the NEON kernels: int8, float32, or themselves.
//
// An output's `Store(sums, row, first)` takes four vectors of sums of a row, from column `first`
// on, to which the first sums are added.

#ifndef KERASOPT_KERNELS_GEMM_OUTPUTS_NEON_H_
#define KERASOPT_KERNELS_GEMM_OUTPUTS_NEON_H_

#include <arm_neon.h>

#include "kernels/gemm/table.h"

namespace kerasopt {
namespace {

constexpr int kLanes = 4, kStored = 16;  // columns of a vector, and of Store

class Int8Output {
 public:
  // Scaled sums are in int32, see packed_kernel.h, and saturate on their way to int8.
  Int8Output(const Panel& panel, const Requantization& r, int8_t* out, int64_t stride)
      : first_sums_(r.bias),
        multiplier_(r.multiplier),
        zero_point_(vdupq_n_s16(static_cast<int16_t>(r.zero_point))),
        smallest_(End(r.min, r)),
        largest_(End(r.max, r)),
        columns_(panel.columns),
        out_(out),
        stride_(stride) {}

  void Store(const int32x4_t* sums, int64_t row, int first) const {
    const int8x16_t bytes = vcombine_s8(Bytes(sums, first), Bytes(sums + 2, first + 2 * kLanes));
    const int8x16_t clamped = vminq_s8(vmaxq_s8(bytes, smallest_), largest_);
    int8_t* at = out_ + row * stride_ + first;
    if (columns_ - first >= kStored) {
      vst1q_s8(at, clamped);
    } else {
      int8_t stored[kStored];
      vst1q_s8(stored, clamped);
      for (int j = 0; first + j < columns_; ++j) at[j] = stored[j];
    }
  }

 private:
  static int8x16_t End(float end, const Requantization& r) {
    return vdupq_n_s8(static_cast<int8_t>(static_cast<int32_t>(end) + r.zero_point));
  }

  int16x4_t Scaled(int32x4_t sums, int first) const {
    const float32x4_t q =
        vmulq_f32(vcvtq_f32_s32(vaddq_s32(sums, vld1q_s32(first_sums_ + first))),
                  vld1q_f32(multiplier_ + first));
    return vqmovn_s32(vcvtnq_s32_f32(q));
  }

  int8x8_t Bytes(const int32x4_t* sums, int first) const {
    const int16x8_t words = vcombine_s16(Scaled(sums[0], first), Scaled(sums[1], first + kLanes));
    return vqmovn_s16(vqaddq_s16(words, zero_point_));
  }

  const int32_t* first_sums_;
  const float* multiplier_;
  int16x8_t zero_point_;
  int8x16_t smallest_, largest_;
  int columns_;
  int8_t* out_;
  int64_t stride_;  // from one row to the next one
};

class FloatOutput {
 public:
  FloatOutput(const Panel& panel, const int32_t* first_sums, const FloatScaling& scaling,
              float* out, int64_t stride)
      : columns_(panel.columns),
        first_sums_(first_sums),
        scaling_(scaling),
        out_(out),
        stride_(stride) {}

  void Store(const int32x4_t* sums, int64_t row, int first) const {
    float* at = out_ + row * stride_ + first;
    float stored[kStored];
    float* to = columns_ - first >= kStored ? at : stored;
    for (int i = 0; i < kStored; i += kLanes) {
      vst1q_f32(to + i, Scaled(sums[i / kLanes], row, first + i));
    }
    for (int j = 0; to == stored && first + j < columns_; ++j) at[j] = stored[j];
  }

 private:
  float32x4_t Scaled(int32x4_t sums, int64_t row, int first) const {
    const float32x4_t m =
        vmaxq_f32(vmulq_n_f32(vld1q_f32(scaling_.scale + first), scaling_.row_scales[row]),
                  vdupq_n_f32(kSmallestScale));
    int32x4_t total = vaddq_s32(sums, vld1q_s32(first_sums_ + first));
    if (scaling_.bias != nullptr) {
      const float32x4_t offset = vdivq_f32(vld1q_f32(scaling_.bias + first), m);
      const float32x4_t clamped = vminq_f32(vmaxq_f32(offset, vdupq_n_f32(-kLargestOffset)),
                                            vdupq_n_f32(kLargestOffset));
      total = vaddq_s32(total, vcvtnq_s32_f32(clamped));
    }
    return vmulq_f32(vcvtq_f32_s32(total), m);
  }

  int columns_;
  const int32_t* first_sums_;
  FloatScaling scaling_;
  float* out_;
  int64_t stride_;
};

class SumsOutput {
 public:
  SumsOutput(int32_t* out, int64_t stride) : out_(out), stride_(stride) {}

  void Store(const int32x4_t* sums, int64_t row, int first) const {
    int32_t* at = out_ + row * stride_ + first;
    for (int i = 0; i < kStored / kLanes; ++i) vst1q_s32(at + i * kLanes, sums[i]);
  }

 private:
  int32_t* out_;
  int64_t stride_;
};

}  // namespace
}  // namespace kerasopt

#endif  // KERASOPT_KERNELS_GEMM_OUTPUTS_NEON_H_
