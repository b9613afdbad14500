// What the sums of a panel become, for the AVX2 and AVX-VNNI kernels: int8, float32, or
// themselves.
//
// An output's `Store(sums, row, first)` takes a vector of sums of a row, from column `first` on, to
// which the first sums are added.

#ifndef KERASOPT_KERNELS_GEMM_OUTPUTS_AVX2_H_
#define KERASOPT_KERNELS_GEMM_OUTPUTS_AVX2_H_

#include <immintrin.h>

#include "kernels/gemm/table.h"

namespace kerasopt {
namespace {

constexpr int kLanes = 8;

// The intrinsics convert __m256i to vectors of int32 and back, and g++ 12 keeps an array of
// accumulators that is accessed as two types in memory, with a store in every step.
typedef int32_t Accumulators __attribute__((vector_size(32)));

inline __m256i FirstSums(const int32_t* first) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(first));
}

class Int8Output {
 public:
  // Scaled sums are in int32, see packed_kernel.h, and saturate on their way to int8.
  Int8Output(const Panel& panel, const Requantization& r, int8_t* out, int64_t stride)
      : first_sums_(r.bias),
        multiplier_(r.multiplier),
        zero_point_(_mm_set1_epi16(static_cast<int16_t>(r.zero_point))),
        smallest_(End(r.min, r)),
        largest_(End(r.max, r)),
        columns_(panel.columns),
        out_(out),
        stride_(stride) {}

  void Store(__m256i sums, int64_t row, int first) const {
    const __m256 q = _mm256_mul_ps(
        _mm256_cvtepi32_ps(_mm256_add_epi32(sums, FirstSums(first_sums_ + first))),
        _mm256_loadu_ps(multiplier_ + first));
    const __m256i integers = _mm256_cvtps_epi32(q);
    const __m128i words = _mm_adds_epi16(
        _mm_packs_epi32(_mm256_castsi256_si128(integers), _mm256_extracti128_si256(integers, 1)),
        zero_point_);
    const __m128i clamped =
        _mm_min_epi8(_mm_max_epi8(_mm_packs_epi16(words, words), smallest_), largest_);
    const int64_t bytes = _mm_cvtsi128_si64(clamped);
    int8_t* at = out_ + row * stride_ + first;
    if (columns_ - first >= kLanes) {
      __builtin_memcpy(at, &bytes, kLanes);
    } else {
      for (int j = 0; first + j < columns_; ++j) at[j] = static_cast<int8_t>(bytes >> 8 * j);
    }
  }

 private:
  static __m128i End(float end, const Requantization& r) {
    return _mm_set1_epi8(static_cast<int8_t>(static_cast<int32_t>(end) + r.zero_point));
  }

  const int32_t* first_sums_;
  const float* multiplier_;
  __m128i zero_point_, smallest_, largest_;
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

  void Store(__m256i sums, int64_t row, int first) const {
    const __m256 m = _mm256_max_ps(_mm256_mul_ps(_mm256_set1_ps(scaling_.row_scales[row]),
                                                 _mm256_loadu_ps(scaling_.scale + first)),
                                   _mm256_set1_ps(kSmallestScale));
    __m256i total = _mm256_add_epi32(sums, FirstSums(first_sums_ + first));
    if (scaling_.bias != nullptr) {
      const __m256 offset = _mm256_div_ps(_mm256_loadu_ps(scaling_.bias + first), m);
      const __m256 clamped = _mm256_min_ps(_mm256_max_ps(offset, _mm256_set1_ps(-kLargestOffset)),
                                           _mm256_set1_ps(kLargestOffset));
      total = _mm256_add_epi32(total, _mm256_cvtps_epi32(clamped));
    }
    const __m256i mask = _mm256_cmpgt_epi32(_mm256_set1_epi32(columns_ - first),
                                            _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
    _mm256_maskstore_ps(out_ + row * stride_ + first, mask,
                        _mm256_mul_ps(_mm256_cvtepi32_ps(total), m));
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

  void Store(__m256i sums, int64_t row, int first) const {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out_ + row * stride_ + first), sums);
  }

 private:
  int32_t* out_;
  int64_t stride_;
};

}  // namespace
}  // namespace kerasopt

#endif  // KERASOPT_KERNELS_GEMM_OUTPUTS_AVX2_H_
