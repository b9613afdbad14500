// What the sums of a panel become, for the AVX-512 kernels: int8, float32, or themselves.
//
// An output's `Store<kVectors, kRow, kRows>(sums)` takes the sums of a tile of kRows rows and
// kVectors vectors of columns, and stores row kRow and those that lie in the same vector of bytes.

#ifndef KERASOPT_KERNELS_GEMM_OUTPUTS_AVX512_H_
#define KERASOPT_KERNELS_GEMM_OUTPUTS_AVX512_H_

#include "kernels/gemm/vectors_avx512.h"

// Made of these vectors.
#include "kernels/gemm/results.inc"

namespace kerasopt {
namespace {

class Int8Output : Int8Results {
 public:
  Int8Output(const Panel& panel, const Requantization& r, int8_t* out, int64_t stride)
      : Int8Results(panel, r, out, stride),
        order_(_mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15)),
        mask_(~__mmask64{0} >> (64 - panel.columns)) {}

  const int32_t* first_sums() const { return first_sums_; }
  void Skip(int64_t rows) { out_ += rows * stride_; }

  template <int kVectors, int kRow, int kRows>
  inline void Store(const Ints* sums) const {
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
  // Four vectors of sums to int8, one after another; vector i is of columns from i % kVectors on.
  template <int kVectors>
  __m512i Requantized(Ints s0, Ints s1, Ints s2, Ints s3) const {
    const auto scaled = [&](Ints sums, int i) {
      return (__m512i)Scaled(sums, i % kVectors * kLanes);
    };
    const __m512i low = _mm512_packs_epi32(scaled(s0, 0), scaled(s1, 1));
    const __m512i high = _mm512_packs_epi32(scaled(s2, 2), scaled(s3, 3));
    const __m512i bytes = _mm512_packs_epi16(_mm512_adds_epi16(low, zero_point_),
                                             _mm512_adds_epi16(high, zero_point_));
    const __m512i clamped = _mm512_min_epi8(_mm512_max_epi8(bytes, smallest_), largest_);
    return _mm512_permutexvar_epi32(order_, clamped);
  }

  const __m512i order_;
  const __mmask64 mask_;
};

class FloatOutput : FloatResults {
 public:
  using FloatResults::FloatResults;

  const int32_t* first_sums() const { return first_sums_; }

  void Skip(int64_t rows) {
    out_ += rows * stride_;
    scaling_.row_scales += rows;
  }

  template <int kVectors, int kRow, int kRows>
  inline void Store(const Ints* sums) const {
    const Floats row_scale = Repeat(scaling_.row_scales[kRow]);
#pragma GCC unroll 4
    for (int i = 0; i < kVectors; ++i) {
      const int first = i * kLanes, left = columns_ - first;
      const __mmask16 mask = left >= kLanes ? 0xffff : left > 0 ? (1 << left) - 1 : 0;
      _mm512_mask_storeu_ps(out_ + kRow * stride_ + first, mask,
                            Scaled(sums[kRow * kVectors + i], row_scale, first));
    }
  }
};

class SumsOutput : SumsResults {
 public:
  using SumsResults::SumsResults;

  const int32_t* first_sums() const {
    static constexpr int32_t kZeros[kLanes * 4] = {};
    return kZeros;
  }
  void Skip(int64_t rows) { out_ += rows * stride_; }

  template <int kVectors, int kRow, int kRows>
  inline void Store(const Ints* sums) const {
#pragma GCC unroll 4
    for (int i = 0; i < kVectors; ++i) {
      _mm512_storeu_si512(out_ + kRow * stride_ + i * kLanes, (__m512i)sums[kRow * kVectors + i]);
    }
  }
};

}  // namespace
}  // namespace kerasopt

#endif  // KERASOPT_KERNELS_GEMM_OUTPUTS_AVX512_H_
