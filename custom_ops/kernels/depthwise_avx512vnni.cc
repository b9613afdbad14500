// Depthwise convolution for AVX-512 VNNI, 64 channels at a time, or 32 of two output lines.
//
// Four lines of the kernel are one step of vpdpbusd. So four lines of the image are interleaved
// first, pixel by pixel: what is made of a pixel serves all columns of the kernel that pass it.

#include <immintrin.h>

#include "kernels/kernel_table.h"

namespace kerasopt {
namespace {

constexpr int64_t kChannels = 64, kHalf = 32;
constexpr int kQuad = 4, kVectors = 4, kLanes = 16;
constexpr int kVectorBytes = 64;
// Interleaved pixels that stay in the first-level cache, and steps of the kernel.
constexpr int64_t kMostPixels = 96, kMostSteps = 32;

// 64 channels of four lines as [channel][line]. In each lane of 16 bytes, vector j has the channels
// from 16 * lane + 4 * j on: packing to bytes undoes this order.
inline void Interleave(__m512i a, __m512i b, __m512i c, __m512i d, __m512i* out) {
  const __m512i low0 = _mm512_unpacklo_epi8(a, b), high0 = _mm512_unpackhi_epi8(a, b);
  const __m512i low1 = _mm512_unpacklo_epi8(c, d), high1 = _mm512_unpackhi_epi8(c, d);
  _mm512_store_si512(out, _mm512_unpacklo_epi16(low0, low1));
  _mm512_store_si512(out + 1, _mm512_unpackhi_epi16(low0, low1));
  _mm512_store_si512(out + 2, _mm512_unpacklo_epi16(high0, high1));
  _mm512_store_si512(out + 3, _mm512_unpackhi_epi16(high0, high1));
}

// 64 values of 32 bits, or 32 twice, in the order of `Interleave`; those that are not there are 0.
void Order(const void* values, int64_t count, __m512i* out) {
  __m512i v[kVectors];
  for (int i = 0; i < kVectors; ++i) {
    const int64_t left = count - i * kLanes;
    const __mmask16 mask = left >= kLanes ? 0xffff : left > 0 ? (1 << left) - 1 : 0;
    v[i] = _mm512_maskz_loadu_epi32(mask, static_cast<const int32_t*>(values) + i * kLanes);
  }
  if (count <= kHalf) v[2] = v[0], v[3] = v[1];
  const __m512i low0 = _mm512_shuffle_i32x4(v[0], v[1], 0x44);
  const __m512i high0 = _mm512_shuffle_i32x4(v[0], v[1], 0xee);
  const __m512i low1 = _mm512_shuffle_i32x4(v[2], v[3], 0x44);
  const __m512i high1 = _mm512_shuffle_i32x4(v[2], v[3], 0xee);
  out[0] = _mm512_shuffle_i32x4(low0, low1, 0x88);
  out[1] = _mm512_shuffle_i32x4(low0, low1, 0xdd);
  out[2] = _mm512_shuffle_i32x4(high0, high1, 0x88);
  out[3] = _mm512_shuffle_i32x4(high0, high1, 0xdd);
}

// The kernel and what follows its sums, for 64 channels, or twice for up to 32.
struct Weights {
  __m512i steps[kMostSteps][kVectors];  // [group of lines][column]
  __m512i bias[kVectors], multiplier[kVectors];
};

void Load(const DepthwiseBlock& b, const int8_t* kernel, const Requantization& r, int64_t first,
          int64_t count, Weights* weights) {
  const __mmask64 mask = ~__mmask64{0} >> (kChannels - count);
  __m512i sums[kVectors] = {};
  int step = 0;
  for (int64_t line = 0; line < b.kernel_height; line += kQuad) {
    for (int64_t column = 0; column < b.kernel_width; ++column, ++step) {
      __m512i lines[kQuad];
      for (int i = 0; i < kQuad; ++i) {
        const int64_t tap = (line + i) * b.kernel_width + column;
        const __mmask64 inside = line + i < b.kernel_height ? mask : 0;
        lines[i] = inside == 0 ? _mm512_setzero_si512()
                               : _mm512_maskz_loadu_epi8(inside, kernel + tap * b.channels + first);
        if (count <= kHalf) lines[i] = _mm512_shuffle_i64x2(lines[i], lines[i], 0x44);
      }
      Interleave(lines[0], lines[1], lines[2], lines[3], weights->steps[step]);
      for (int j = 0; j < kVectors; ++j) {
        sums[j] = _mm512_dpbusd_epi32(sums[j], _mm512_set1_epi8(1), weights->steps[step][j]);
      }
    }
  }
  Order(r.bias + first, count, weights->bias);
  Order(r.multiplier + first, count, weights->multiplier);
  // Activations are stored plus 128, and without their zero point subtracted.
  const __m512i offset = _mm512_set1_epi32(b.input_zero_point + 128);
  for (int j = 0; j < kVectors; ++j) {
    weights->bias[j] = _mm512_sub_epi32(weights->bias[j], _mm512_mullo_epi32(offset, sums[j]));
  }
}

// Interleaves `count` pixels of the lines that a group of kernel lines reads: 64 channels, or 32
// and those that lie `second` behind them.
template <bool kIsPair>
void InterleaveLines(const DepthwiseBlock& b, const int8_t* start, int64_t second, int64_t lines,
                     int64_t count, __m512i (*out)[kVectors]) {
  const __m512i sign = _mm512_set1_epi8(-128);
  const int64_t step = b.height_dilation * b.line_stride;
  // Lines that the kernel does not have are read again, and multiplied by zeros.
  const int8_t* line[kQuad];
  for (int i = 0; i < kQuad; ++i) line[i] = start + (i < lines ? i : 0) * step;
  for (int64_t pixel = 0; pixel < count; ++pixel) {
    const int64_t at = pixel * b.channels;
    const auto load = [&](int i) {
      const int8_t* x = line[i] + at;
      if (!kIsPair) return _mm512_xor_si512(_mm512_loadu_si512(x), sign);
      const __m256i half = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(x));
      const __m256i other = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(x + second));
      return _mm512_xor_si512(_mm512_inserti64x4(_mm512_castsi256_si512(half), other, 1), sign);
    };
    Interleave(load(0), load(1), load(2), load(3), out[pixel]);
  }
}

// What requantizes the sums of 64 channels; see the GEMM.
struct Output {
  __m512 multiplier[kVectors], largest;
  __m512i zero_point, smallest;
};

inline __m512i Requantized(__m512i sum0, __m512i sum1, __m512i sum2, __m512i sum3,
                           const Output& output) {
  const auto scaled = [&](__m512i sums, int j) {
    const __m512 q = _mm512_mul_ps(_mm512_cvtepi32_ps(sums), output.multiplier[j]);
    return _mm512_cvtps_epi32(_mm512_min_ps(q, output.largest));
  };
  const __m512i low = _mm512_packs_epi32(scaled(sum0, 0), scaled(sum1, 1));
  const __m512i high = _mm512_packs_epi32(scaled(sum2, 2), scaled(sum3, 3));
  const __m512i bytes = _mm512_packs_epi16(_mm512_adds_epi16(low, output.zero_point),
                                           _mm512_adds_epi16(high, output.zero_point));
  return _mm512_max_epi8(bytes, output.smallest);
}

// Where the interleaved pixels and the output of a line are, or of two.
struct Line {
  const __m512i (*interleaved)[kVectors];
  int64_t pixels;  // of the output
  int64_t groups, group_pixels;
  int64_t channels;
  int8_t* out;
  int8_t* second;  // of 32 channels

  void Store(int64_t offset, __m512i bytes) const {
    if (channels > kHalf) {
      const __mmask64 mask = ~__mmask64{0} >> (kChannels - channels);
      return _mm512_mask_storeu_epi8(out + offset, mask, bytes);
    }
    const __mmask32 mask = ~__mmask32{0} >> (kHalf - channels);
    _mm256_mask_storeu_epi8(out + offset, mask, _mm512_castsi512_si256(bytes));
    _mm256_mask_storeu_epi8(second + offset, mask, _mm512_extracti64x4_epi64(bytes, 1));
  }
};

// The commonest kernel, 3 lines by 3 columns, is kept in registers.
void Pixels3x3(const DepthwiseBlock& b, const Line& line, const Weights& weights,
               const Output& output) {
  const Output local = output;
  __m512i w[3][kVectors], bias[kVectors];
#pragma GCC unroll 4
  for (int j = 0; j < kVectors; ++j) {
    bias[j] = weights.bias[j];
#pragma GCC unroll 3
    for (int column = 0; column < 3; ++column) w[column][j] = weights.steps[column][j];
  }
  const __m512i(*at)[kVectors] = line.interleaved;
  for (int64_t pixel = 0; pixel < line.pixels; ++pixel, at += b.width_stride) {
    const auto sum = [&](int j) {
      const __m512i first = _mm512_dpbusd_epi32(bias[j], at[0][j], w[0][j]);
      const __m512i second = _mm512_dpbusd_epi32(first, at[b.width_dilation][j], w[1][j]);
      return _mm512_dpbusd_epi32(second, at[2 * b.width_dilation][j], w[2][j]);
    };
    line.Store(pixel * b.channels, Requantized(sum(0), sum(1), sum(2), sum(3), local));
  }
}

void Pixels(const DepthwiseBlock& b, const Line& line, const Weights& weights,
            const Output& output) {
  for (int64_t pixel = 0; pixel < line.pixels; ++pixel) {
    __m512i sums[kVectors];
    for (int j = 0; j < kVectors; ++j) sums[j] = weights.bias[j];
    for (int64_t group = 0; group < line.groups; ++group) {
      const __m512i(*at)[kVectors] =
          line.interleaved + group * line.group_pixels + pixel * b.width_stride;
      const __m512i(*step)[kVectors] = weights.steps + group * b.kernel_width;
      for (int64_t column = 0; column < b.kernel_width; ++column) {
#pragma GCC unroll 4
        for (int j = 0; j < kVectors; ++j) {
          sums[j] = _mm512_dpbusd_epi32(sums[j], at[column * b.width_dilation][j],
                                        step[column][j]);
        }
      }
    }
    line.Store(pixel * b.channels, Requantized(sums[0], sums[1], sums[2], sums[3], output));
  }
}

}  // namespace

void DepthwiseAvx512Vnni(const DepthwiseBlock& b, const int8_t* kernel, const Requantization& r,
                         int8_t* out) {
  const int64_t groups = (b.kernel_height + kQuad - 1) / kQuad;
  const int64_t span = (b.kernel_width - 1) * b.width_dilation + 1;
  const int64_t group_pixels = kMostPixels / groups;
  if (groups * b.kernel_width > kMostSteps || span > group_pixels) {
    return kLoopsAvx512.depthwise(b, kernel, r, out);
  }
  const int64_t most = (group_pixels - span) / b.width_stride + 1;  // pixels of the output at once
  Output output;
  output.largest = _mm512_set1_ps(r.max);
  output.zero_point = _mm512_set1_epi16(static_cast<int16_t>(r.zero_point));
  output.smallest =
      _mm512_set1_epi8(static_cast<int8_t>(static_cast<int32_t>(r.min) + r.zero_point));
  const auto pixels = groups == 1 && b.kernel_width == 3 ? Pixels3x3 : Pixels;
  alignas(kVectorBytes) __m512i interleaved[kMostPixels][kVectors];
  Weights weights;
  for (int64_t first = 0; first < b.channels; first += kChannels) {
    const int64_t channels = b.channels - first < kChannels ? b.channels - first : kChannels;
    Load(b, kernel, r, first, channels, &weights);
    for (int j = 0; j < kVectors; ++j) {
      output.multiplier[j] = _mm512_castsi512_ps(weights.multiplier[j]);
    }
    const bool is_pair = channels <= kHalf;
    const auto interleave = is_pair ? InterleaveLines<true> : InterleaveLines<false>;
    for (int64_t line = 0; line < b.lines; line += is_pair ? 2 : 1) {
      const int64_t below = is_pair && line + 1 < b.lines ? 1 : 0;
      const int8_t* window = b.image + line * b.height_stride * b.line_stride + first;
      for (int64_t pixel = 0; pixel < b.pixels; pixel += most) {
        const int64_t count = b.pixels - pixel < most ? b.pixels - pixel : most;
        const int8_t* start = window + pixel * b.width_stride * b.channels;
        for (int64_t group = 0; group < groups; ++group) {
          interleave(b, start + group * kQuad * b.height_dilation * b.line_stride,
                     below * b.height_stride * b.line_stride, b.kernel_height - group * kQuad,
                     (count - 1) * b.width_stride + span, interleaved + group * group_pixels);
        }
        int8_t* at = out + (line * b.pixels + pixel) * b.channels + first;
        pixels(b,
               {interleaved, count, groups, group_pixels, channels, at,
                at + below * b.pixels * b.channels},
               weights, output);
      }
    }
  }
}

}  // namespace kerasopt
