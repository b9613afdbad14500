// What the sums of a panel become, for the AVX-512 kernels: int8, float32, or themselves.
//
// An output's `Store<kVectors, kRow, kRows>(sums)` takes the sums of a tile of kRows rows and
// kVectors vectors of columns, and stores row kRow and those that lie in the same vector of bytes.

#ifndef KERASOPT_KERNELS_GEMM_OUTPUTS_AVX512_H_
#define KERASOPT_KERNELS_GEMM_OUTPUTS_AVX512_H_

#include <immintrin.h>

#include "kernels/gemm/table.h"

namespace kerasopt {
namespace {

constexpr int kLanes = 16;

// The intrinsics convert __m512i to vectors of int32 and back, and g++ 12 keeps an array of
// accumulators that is accessed as two types in memory, with a store in every step.
typedef int32_t Accumulators __attribute__((vector_size(64)));

class Int8Output {
 public:
  // Scaled sums are in int32, see packed_kernel.h, and saturate on their way to int8.
  Int8Output(const Panel& panel, const Requantization& r, int8_t* out, int64_t stride)
      : first_sums_(r.bias),
        multiplier_(r.multiplier),
        zero_point_(_mm512_set1_epi16(static_cast<int16_t>(r.zero_point))),
        smallest_(End(r.min, r)),
        largest_(End(r.max, r)),
        order_(_mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15)),
        mask_(~__mmask64{0} >> (64 - panel.columns)),
        out_(out),
        stride_(stride) {}

  const int32_t* first_sums() const { return first_sums_; }
  void Skip(int64_t rows) { out_ += rows * stride_; }

  template <int kVectors, int kRow, int kRows>
  inline void Store(const Accumulators* sums) const {
    constexpr int kStored = kVectors == 1 ? 4 : kVectors == 2 ? 2 : 1;  // rows in a vector of bytes
    if constexpr (kRow % kStored == 0) {
      // Sums that a last row does not have are those of its first vector.
      const auto at = [&](int i) {
        const int index = kRow * kVectors + (i < kStored * kVectors ? i : 0);
        return sums[index < kRows * kVectors ? index : kRow * kVectors];
      };
      const __m512i bytes = Requantized<kVectors>(at(0), at(1), at(2), at(3));
      int8_t* out = out_ + kRow * stride_;
      if constexpr (kVectors == 1) {
        const __mmask16 mask = static_cast<__mmask16>(mask_);
        _mm_mask_storeu_epi8(out, mask, _mm512_castsi512_si128(bytes));
        if (kRow + 1 < kRows) {
          _mm_mask_storeu_epi8(out + stride_, mask, _mm512_extracti32x4_epi32(bytes, 1));
        }
        if (kRow + 2 < kRows) {
          _mm_mask_storeu_epi8(out + 2 * stride_, mask, _mm512_extracti32x4_epi32(bytes, 2));
        }
        if (kRow + 3 < kRows) {
          _mm_mask_storeu_epi8(out + 3 * stride_, mask, _mm512_extracti32x4_epi32(bytes, 3));
        }
      } else if constexpr (kVectors == 2) {
        const __mmask32 mask = static_cast<__mmask32>(mask_);
        _mm256_mask_storeu_epi8(out, mask, _mm512_castsi512_si256(bytes));
        if (kRow + 1 < kRows) {
          _mm256_mask_storeu_epi8(out + stride_, mask, _mm512_extracti64x4_epi64(bytes, 1));
        }
      } else {
        _mm512_mask_storeu_epi8(out, mask_, bytes);
      }
    }
  }

 private:
  static __m512i End(float end, const Requantization& r) {
    return _mm512_set1_epi8(static_cast<int8_t>(static_cast<int32_t>(end) + r.zero_point));
  }

  __m512i Scaled(Accumulators sums, int vector) const {
    const __m512 q = _mm512_mul_ps(_mm512_cvtepi32_ps((__m512i)sums),
                                   _mm512_loadu_ps(multiplier_ + vector * kLanes));
    return _mm512_cvtps_epi32(q);
  }

  // Four vectors of sums to int8, one after another; vector i is of columns from i % kVectors on.
  template <int kVectors>
  __m512i Requantized(Accumulators s0, Accumulators s1, Accumulators s2, Accumulators s3) const {
    const __m512i low = _mm512_packs_epi32(Scaled(s0, 0), Scaled(s1, 1 % kVectors));
    const __m512i high = _mm512_packs_epi32(Scaled(s2, 2 % kVectors), Scaled(s3, 3 % kVectors));
    const __m512i bytes = _mm512_packs_epi16(_mm512_adds_epi16(low, zero_point_),
                                             _mm512_adds_epi16(high, zero_point_));
    const __m512i clamped = _mm512_min_epi8(_mm512_max_epi8(bytes, smallest_), largest_);
    return _mm512_permutexvar_epi32(order_, clamped);
  }

  const int32_t* first_sums_;
  const float* multiplier_;
  __m512i zero_point_, smallest_, largest_, order_;
  __mmask64 mask_;
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

  const int32_t* first_sums() const { return first_sums_; }

  void Skip(int64_t rows) {
    out_ += rows * stride_;
    scaling_.row_scales += rows;
  }

  template <int kVectors, int kRow, int kRows>
  inline void Store(const Accumulators* sums) const {
    const __m512 row_scale = _mm512_set1_ps(scaling_.row_scales[kRow]);
#pragma GCC unroll 4
    for (int i = 0; i < kVectors; ++i) {
      const int first = i * kLanes, left = columns_ - first;
      const __mmask16 mask = left >= kLanes ? 0xffff : left > 0 ? (1 << left) - 1 : 0;
      const __m512 m = _mm512_max_ps(
          _mm512_mul_ps(row_scale, _mm512_loadu_ps(scaling_.scale + first)),
          _mm512_set1_ps(kSmallestScale));
      __m512i total = (__m512i)sums[kRow * kVectors + i];
      if (scaling_.bias != nullptr) {
        const __m512 offset = _mm512_div_ps(_mm512_loadu_ps(scaling_.bias + first), m);
        const __m512 clamped =
            _mm512_min_ps(_mm512_max_ps(offset, _mm512_set1_ps(-kLargestOffset)),
                          _mm512_set1_ps(kLargestOffset));
        total = _mm512_add_epi32(total, _mm512_cvtps_epi32(clamped));
      }
      _mm512_mask_storeu_ps(out_ + kRow * stride_ + first, mask,
                            _mm512_mul_ps(_mm512_cvtepi32_ps(total), m));
    }
  }

 private:
  int columns_;
  const int32_t* first_sums_;
  FloatScaling scaling_;
  float* out_;
  int64_t stride_;
};

class SumsOutput {
 public:
  SumsOutput(int32_t* out, int64_t stride) : out_(out), stride_(stride) {}

  const int32_t* first_sums() const {
    static constexpr int32_t kZeros[kLanes * 4] = {};
    return kZeros;
  }
  void Skip(int64_t rows) { out_ += rows * stride_; }

  template <int kVectors, int kRow, int kRows>
  inline void Store(const Accumulators* sums) const {
#pragma GCC unroll 4
    for (int i = 0; i < kVectors; ++i) {
      _mm512_storeu_si512(out_ + kRow * stride_ + i * kLanes, (__m512i)sums[kRow * kVectors + i]);
    }
  }

 private:
  int32_t* out_;
  int64_t stride_;
};

}  // namespace
}  // namespace kerasopt

#endif  // KERASOPT_KERNELS_GEMM_OUTPUTS_AVX512_H_
