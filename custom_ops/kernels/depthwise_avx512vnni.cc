// Depthwise convolution for AVX-512 VNNI, 64 channels at a time.
//
// Four lines of the kernel are one step of vpdpbusd. So four lines of the image are interleaved
// first, pixel by pixel: what is made of a pixel serves all columns of the kernel that pass it.

#include <immintrin.h>

#include "kernels/kernel_table.h"

namespace kerasopt {
namespace {

constexpr int64_t kChannels = 64;
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

// Values of 16 channels by the order of `Interleave`; those that are not there are zero.
template <typename T>
void Order(const T* values, int64_t count, T* out) {
  for (int64_t i = 0; i < kChannels; ++i) {
    const int64_t lane = i / kLanes, vector = i % kLanes / kQuad;
    out[vector * kLanes + lane * kQuad + i % kQuad] = i < count ? values[i] : T{};
  }
}

// The kernel and what follows its sums, for 64 channels.
struct Weights {
  alignas(64) __m512i steps[kMostSteps][kVectors];  // [group of lines][column]
  alignas(64) int32_t bias[kChannels];
  alignas(64) float multiplier[kChannels];
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
    int32_t* bias = weights->bias + j * kLanes;
    _mm512_store_si512(bias, _mm512_sub_epi32(_mm512_load_si512(bias),
                                              _mm512_mullo_epi32(offset, sums[j])));
  }
}

// Interleaves `count` pixels of the lines that a group of kernel lines reads.
void InterleaveLines(const DepthwiseBlock& b, const int8_t* start, int64_t lines, int64_t count,
                     __m512i (*out)[kVectors]) {
  const __m512i sign = _mm512_set1_epi8(-128);
  const int64_t step = b.height_dilation * b.line_stride;
  // Lines that the kernel does not have are read again, and multiplied by zeros.
  const int8_t* line[kQuad];
  for (int i = 0; i < kQuad; ++i) line[i] = start + (i < lines ? i : 0) * step;
  for (int64_t pixel = 0; pixel < count; ++pixel) {
    const int64_t at = pixel * b.channels;
    const auto load = [&](int i) {
      return _mm512_xor_si512(_mm512_loadu_si512(line[i] + at), sign);
    };
    Interleave(load(0), load(1), load(2), load(3), out[pixel]);
  }
}

struct Output {
  __m512 largest;
  __m512i zero_point, smallest;
};

inline __m512i Scaled(__m512i sums, const float* multiplier, __m512 largest) {
  const __m512 q = _mm512_mul_ps(_mm512_cvtepi32_ps(sums), _mm512_load_ps(multiplier));
  return _mm512_cvtps_epi32(_mm512_min_ps(q, largest));
}

// As in the GEMM, but the order of the sums is that of the packing.
inline __m512i Requantized(const __m512i* sums, const Weights& weights, const Output& output) {
  const auto scaled = [&](int j) {
    return Scaled(sums[j], weights.multiplier + j * kLanes, output.largest);
  };
  const __m512i low = _mm512_packs_epi32(scaled(0), scaled(1));
  const __m512i high = _mm512_packs_epi32(scaled(2), scaled(3));
  const __m512i bytes = _mm512_packs_epi16(_mm512_adds_epi16(low, output.zero_point),
                                           _mm512_adds_epi16(high, output.zero_point));
  return _mm512_max_epi8(bytes, output.smallest);
}

// kColumns is the width of the kernel if there is one group of lines, 0 for any kernel.
template <int kColumns>
void Pixels(const DepthwiseBlock& b, int64_t count, int64_t groups, int64_t group_pixels,
            const __m512i (*interleaved)[kVectors], const Weights& weights, const Output& output,
            __mmask64 mask, int8_t* out) {
  const int64_t columns = kColumns > 0 ? kColumns : b.kernel_width;
  for (int64_t pixel = 0; pixel < count; ++pixel, out += b.channels) {
    __m512i sums[kVectors];
#pragma GCC unroll 4
    for (int j = 0; j < kVectors; ++j) sums[j] = _mm512_load_si512(weights.bias + j * kLanes);
    for (int64_t group = 0; group < (kColumns > 0 ? 1 : groups); ++group) {
      const __m512i(*at)[kVectors] = interleaved + group * group_pixels + pixel * b.width_stride;
#pragma GCC unroll 3
      for (int64_t column = 0; column < columns; ++column, at += b.width_dilation) {
        const __m512i* step = weights.steps[group * columns + column];
#pragma GCC unroll 4
        for (int j = 0; j < kVectors; ++j) {
          sums[j] = _mm512_dpbusd_epi32(sums[j], at[0][j], step[j]);
        }
      }
    }
    _mm512_mask_storeu_epi8(out, mask, Requantized(sums, weights, output));
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
  const Output output = {
      _mm512_set1_ps(r.max), _mm512_set1_epi16(static_cast<int16_t>(r.zero_point)),
      _mm512_set1_epi8(static_cast<int8_t>(static_cast<int32_t>(r.min) + r.zero_point))};
  const auto pixels = groups == 1 && b.kernel_width == 3 ? Pixels<3> : Pixels<0>;
  alignas(kVectorBytes) __m512i interleaved[kMostPixels][kVectors];
  Weights weights;
  for (int64_t first = 0; first < b.channels; first += kChannels) {
    const int64_t channels = b.channels - first < kChannels ? b.channels - first : kChannels;
    Load(b, kernel, r, first, channels, &weights);
    const __mmask64 mask = ~__mmask64{0} >> (kChannels - channels);
    for (int64_t line = 0; line < b.lines; ++line) {
      const int8_t* window = b.image + line * b.height_stride * b.line_stride + first;
      for (int64_t pixel = 0; pixel < b.pixels; pixel += most) {
        const int64_t count = b.pixels - pixel < most ? b.pixels - pixel : most;
        const int8_t* start = window + pixel * b.width_stride * b.channels;
        for (int64_t group = 0; group < groups; ++group) {
          InterleaveLines(b, start + group * kQuad * b.height_dilation * b.line_stride,
                          b.kernel_height - group * kQuad, (count - 1) * b.width_stride + span,
                          interleaved + group * group_pixels);
        }
        pixels(b, count, groups, group_pixels, interleaved, weights, output, mask,
               out + (line * b.pixels + pixel) * b.channels + first);
      }
    }
  }
}

}  // namespace kerasopt
