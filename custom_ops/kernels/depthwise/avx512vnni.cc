// Depthwise convolution for AVX-512 VNNI, 64 channels at a time, or 32 of two output lines.
//
// Four lines of the kernel are one step of vpdpbusd. So four lines of the image are interleaved
// first, pixel by pixel: what is made of a pixel serves all columns of the kernel that pass it.

#include <immintrin.h>

#include "kernels/depthwise/table.h"

namespace kerasopt {
namespace {

constexpr int64_t kChannels = 64, kHalf = 32;
constexpr int kQuad = 4, kVectors = 4, kLanes = 16;
constexpr int kVectorBytes = 64;
// Interleaved pixels that stay in the first-level cache, and steps of the kernel.
constexpr int64_t kMostPixels = 96, kMostSteps = 32;

// 64 channels of four lines as [channel][line]. In each lane of 16 bytes, vector j has the channels
// from 16 * lane + 4 * j on: packing to bytes undoes this order.
inline void Interleave(__m512i a, __m512i b, __m512i c, __m512i d, __m512i (&out)[kVectors]) {
  const __m512i low0 = _mm512_unpacklo_epi8(a, b), high0 = _mm512_unpackhi_epi8(a, b);
  const __m512i low1 = _mm512_unpacklo_epi8(c, d), high1 = _mm512_unpackhi_epi8(c, d);
  out[0] = _mm512_unpacklo_epi16(low0, low1);
  out[1] = _mm512_unpackhi_epi16(low0, low1);
  out[2] = _mm512_unpacklo_epi16(high0, high1);
  out[3] = _mm512_unpackhi_epi16(high0, high1);
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

// Groups of four lines of the kernel, and pixels under one line of it.
inline int64_t Groups(const DepthwiseBlock& b) { return (b.kernel_height + kQuad - 1) / kQuad; }
inline int64_t Span(const DepthwiseBlock& b) { return (b.kernel_width - 1) * b.width_dilation + 1; }

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

// The pixels of up to four lines of an image, `step` apart: 64 channels, or 32 and those that lie
// `second` behind them. Lines that the kernel does not have are multiplied by zeros.
template <bool kIsPair, int kLines>
struct Source {
  const int8_t* start;
  int64_t step, second, channels;

  void Load(int64_t pixel, __m512i (&out)[kVectors]) const {
    const int8_t* at = start + pixel * channels;
    const __m512i first = Line(at);
    const __m512i next = kLines > 1 ? Line(at + step) : first;
    const __m512i third = kLines > 2 ? Line(at + 2 * step) : first;
    Interleave(first, next, third, kLines > 3 ? Line(at + 3 * step) : third, out);
  }

 private:
  __m512i Line(const int8_t* x) const {
    if (!kIsPair) return _mm512_loadu_si512(x);
    const __m256i half = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(x));
    const __m256i other = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(x + second));
    return _mm512_inserti64x4(_mm512_castsi256_si512(half), other, 1);
  }
};

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

// Where the output of a line goes, or of two lines of 32 channels.
struct Target {
  int8_t* out;
  int8_t* second;
  int64_t channels;  // of a pixel
  int64_t stored;    // of these

  void Store(int64_t pixel, __m512i bytes) const {
    const int64_t offset = pixel * channels;
    if (stored > kHalf) {
      const __mmask64 mask = ~__mmask64{0} >> (kChannels - stored);
      return _mm512_mask_storeu_epi8(out + offset, mask, bytes);
    }
    const __mmask32 mask = ~__mmask32{0} >> (kHalf - stored);
    _mm256_mask_storeu_epi8(out + offset, mask, _mm512_castsi512_si256(bytes));
    _mm256_mask_storeu_epi8(second + offset, mask, _mm512_extracti64x4_epi64(bytes, 1));
  }
};

// A line of the output for a kernel of 3 columns and up to 4 lines, without dilation. Three
// interleaved pixels are in registers; those that the next output pixel reads too stay there.
template <bool kIsPair, int kLines, int kStride>
void ThreeColumns(const DepthwiseBlock& b, const Source<kIsPair, kLines>& lines,
                  const Weights& weights, const Output& output, const Target& target) {
  __m512i w[3][kVectors];
#pragma GCC unroll 3
  for (int column = 0; column < 3; ++column) {
#pragma GCC unroll 4
    for (int j = 0; j < kVectors; ++j) w[column][j] = weights.steps[column][j];
  }
  const auto store = [&](int64_t pixel, const __m512i(&left)[kVectors],
                         const __m512i(&middle)[kVectors],
                         const __m512i(&right)[kVectors]) __attribute__((always_inline)) {
    const auto sum = [&](int j) {
      const __m512i first = _mm512_dpbusd_epi32(weights.bias[j], left[j], w[0][j]);
      return _mm512_dpbusd_epi32(_mm512_dpbusd_epi32(first, middle[j], w[1][j]), right[j], w[2][j]);
    };
    target.Store(pixel, Requantized(sum(0), sum(1), sum(2), sum(3), output));
  };
  __m512i p0[kVectors], p1[kVectors], p2[kVectors];
  lines.Load(0, p0);
  int64_t pixel = 0;
  if (kStride == 1) {
    lines.Load(1, p1);
    for (; pixel + 3 <= b.pixels; pixel += 3) {
      lines.Load(pixel + 2, p2);
      store(pixel, p0, p1, p2);
      lines.Load(pixel + 3, p0);
      store(pixel + 1, p1, p2, p0);
      lines.Load(pixel + 4, p1);
      store(pixel + 2, p2, p0, p1);
    }
    if (pixel == b.pixels) return;
    lines.Load(pixel + 2, p2);
    store(pixel, p0, p1, p2);
    if (pixel + 1 == b.pixels) return;
    lines.Load(pixel + 3, p0);
    return store(pixel + 1, p1, p2, p0);
  }
  for (; pixel + 2 <= b.pixels; pixel += 2) {
    lines.Load(2 * pixel + 1, p1);
    lines.Load(2 * pixel + 2, p2);
    store(pixel, p0, p1, p2);
    lines.Load(2 * pixel + 3, p1);
    lines.Load(2 * pixel + 4, p0);
    store(pixel + 1, p2, p1, p0);
  }
  if (pixel == b.pixels) return;
  lines.Load(2 * pixel + 1, p1);
  lines.Load(2 * pixel + 2, p2);
  store(pixel, p0, p1, p2);
}

// A line of the output for any kernel.
template <bool kIsPair>
void AnyColumns(const DepthwiseBlock& b, const int8_t* window, int64_t second,
                const Weights& weights, const Output& output, const Target& target) {
  alignas(kVectorBytes) __m512i interleaved[kMostPixels][kVectors];
  const int64_t groups = Groups(b), span = Span(b), group_pixels = kMostPixels / groups;
  const int64_t most = (group_pixels - span) / b.width_stride + 1;  // pixels of the output at once
  const int64_t step = b.height_dilation * b.line_stride;
  for (int64_t begin = 0; begin < b.pixels; begin += most) {
    const int64_t count = b.pixels - begin < most ? b.pixels - begin : most;
    const int64_t width = (count - 1) * b.width_stride + span;
    for (int64_t group = 0; group < groups; ++group) {
      const int8_t* start = window + begin * b.width_stride * b.channels + group * kQuad * step;
      const int64_t lines = b.kernel_height - group * kQuad;
      const auto interleave = [&](const auto& source) {
        for (int64_t pixel = 0; pixel < width; ++pixel) {
          source.Load(pixel, interleaved[group * group_pixels + pixel]);
        }
      };
      if (lines == 1) interleave(Source<kIsPair, 1>{start, step, second, b.channels});
      else if (lines == 2) interleave(Source<kIsPair, 2>{start, step, second, b.channels});
      else if (lines == 3) interleave(Source<kIsPair, 3>{start, step, second, b.channels});
      else interleave(Source<kIsPair, 4>{start, step, second, b.channels});
    }
    for (int64_t pixel = 0; pixel < count; ++pixel) {
      __m512i sums[kVectors];
      for (int j = 0; j < kVectors; ++j) sums[j] = weights.bias[j];
      for (int64_t group = 0; group < groups; ++group) {
        const __m512i(*at)[kVectors] = interleaved + group * group_pixels + pixel * b.width_stride;
        const __m512i(*steps)[kVectors] = weights.steps + group * b.kernel_width;
        for (int64_t column = 0; column < b.kernel_width; ++column) {
#pragma GCC unroll 4
          for (int j = 0; j < kVectors; ++j) {
            sums[j] =
                _mm512_dpbusd_epi32(sums[j], at[column * b.width_dilation][j], steps[column][j]);
          }
        }
      }
      target.Store(begin + pixel, Requantized(sums[0], sums[1], sums[2], sums[3], output));
    }
  }
}

// The lines of the output for one block of channels.
template <bool kIsPair>
void Lines(const DepthwiseBlock& b, int64_t first, const Weights& weights, const Output& output,
           int64_t stored, int8_t* out) {
  const bool is_three = b.kernel_height == 3 && b.kernel_width == 3 && b.width_dilation == 1;
  const int64_t line_size = b.pixels * b.channels, step = b.height_dilation * b.line_stride;
  for (int64_t line = 0; line < b.lines; line += kIsPair ? 2 : 1) {
    // A last line without another one is written twice.
    const int64_t below = kIsPair && line + 1 < b.lines ? 1 : 0;
    const int8_t* window =
        static_cast<const int8_t*>(b.image) + line * b.height_stride * b.line_stride + first;
    const int64_t second = below * b.height_stride * b.line_stride;
    int8_t* at = out + line * line_size + first;
    const Target target = {at, at + below * line_size, b.channels, stored};
    const Source<kIsPair, 3> source = {window, step, second, b.channels};
    if (is_three && b.width_stride == 1) {
      ThreeColumns<kIsPair, 3, 1>(b, source, weights, output, target);
    } else if (is_three && b.width_stride == 2) {
      ThreeColumns<kIsPair, 3, 2>(b, source, weights, output, target);
    } else {
      AnyColumns<kIsPair>(b, window, second, weights, output, target);
    }
  }
}

bool Supports(const DepthwiseBlock& b) {
  return Groups(b) * b.kernel_width <= kMostSteps && Span(b) <= kMostPixels / Groups(b);
}

void Run(const DepthwiseBlock& b, const int8_t* kernel, const Requantization& r, int8_t* out) {
  Output output;
  output.largest = _mm512_set1_ps(r.max);
  output.zero_point = _mm512_set1_epi16(static_cast<int16_t>(r.zero_point));
  output.smallest =
      _mm512_set1_epi8(static_cast<int8_t>(static_cast<int32_t>(r.min) + r.zero_point));
  Weights weights;
  for (int64_t first = 0; first < b.channels; first += kChannels) {
    const int64_t channels = b.channels - first < kChannels ? b.channels - first : kChannels;
    Load(b, kernel, r, first, channels, &weights);
    for (int j = 0; j < kVectors; ++j) {
      output.multiplier[j] = _mm512_castsi512_ps(weights.multiplier[j]);
    }
    const auto lines = channels <= kHalf ? Lines<true> : Lines<false>;
    lines(b, first, weights, output, channels, out);
  }
}

}  // namespace

const DepthwiseKernel kDepthwiseAvx512Vnni = {Supports, Run};

}  // namespace kerasopt
