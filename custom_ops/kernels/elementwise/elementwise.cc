#include "kernels/elementwise/elementwise.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <mutex>

#include "kernels/dispatch.h"

namespace kerasopt {
namespace {

// Values of one task: enough to hide its start, few enough to stay in the first-level cache.
constexpr int64_t kChunk = 4096;

// Blocks of a sum: enough for all threads, few enough for their sums to take next to no memory.
constexpr int64_t kMostBlocks = 256;

// Calls body(offset, count) on chunks of a tensor of `count` values.
template <typename Body>
void ForChunks(int64_t count, const ParallelFor& parallel_for, const Body& body) {
  parallel_for.Run((count + kChunk - 1) / kChunk, kChunk, [&](int64_t begin, int64_t end) {
    const int64_t first = begin * kChunk;
    body(first, std::min(end * kChunk, count) - first);
  });
}

// The same, but with a grid per channel every call gets one row of channels.
template <typename Body>
void ForGrid(int64_t count, const QuantizationGrid& grid, const ParallelFor& parallel_for,
             const Body& body) {
  if (!grid.per_channel()) return ForChunks(count, parallel_for, body);
  const int64_t channels = grid.channels();
  parallel_for.Run(count / channels, channels, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) body(row * channels, channels);
  });
}

}  // namespace

template <typename T>
void QuantizedAdd(const T* x0, const T* x1, const BroadcastPair& pair,
                  const AddParameters& parameters, T* out, const ParallelFor& parallel_for) {
  const PairLoops& loops = Kernels().loops.pairs;
  ForPairs(x0, x1, pair, out, parallel_for, [&](const T* a, const T* b, int64_t count, T* to) {
    if constexpr (sizeof(T) == 1) {
      loops.add(a, b, count, parameters, to);
    } else {
      loops.add_int16(a, b, count, parameters, to);
    }
  });
}

template void QuantizedAdd(const int8_t*, const int8_t*, const BroadcastPair&, const AddParameters&,
                           int8_t*, const ParallelFor&);
template void QuantizedAdd(const int16_t*, const int16_t*, const BroadcastPair&,
                           const AddParameters&, int16_t*, const ParallelFor&);

void QuantizedMultiply(const int8_t* x0, const int8_t* x1, const BroadcastPair& pair,
                       const ProductParameters& parameters, int8_t* out,
                       const ParallelFor& parallel_for) {
  const PairLoops& loops = Kernels().loops.pairs;
  ForPairs(x0, x1, pair, out, parallel_for,
           [&](const int8_t* a, const int8_t* b, int64_t count, int8_t* to) {
             loops.multiply(a, b, count, parameters, to);
           });
}

QuantizationGrid::QuantizationGrid(const float* scales, int64_t scale_count,
                                   const float* zero_points, int64_t zero_point_count, int32_t qmin,
                                   int32_t qmax)
    : scales_(scales, scales + scale_count), min_(scale_count), max_(scale_count) {
  for (int64_t i = 0; i < scale_count; ++i) {
    const float zero_point = zero_points[zero_point_count == 1 ? 0 : i];
    if (std::abs(scales_[i]) < std::numeric_limits<float>::min()) {
      scales_[i] = 0.0f;
    } else if (!std::isfinite(scales_[i]) || !(zero_point >= qmin && zero_point <= qmax) ||
               zero_point != std::nearbyint(zero_point)) {
      scales_[i] = std::numeric_limits<float>::quiet_NaN();
    }
    min_[i] = static_cast<float>(qmin) - zero_point;
    max_[i] = static_cast<float>(qmax) - zero_point;
  }
}

template <typename T>
void Quantize(const float* x, int64_t count, const QuantizationGrid& grid, int32_t zero_point,
              T* out, const ParallelFor& parallel_for) {
  const QuantizationLoops& loops = Kernels().loops.quantization;
  ForGrid(count, grid, parallel_for, [&](int64_t first, int64_t size) {
    if constexpr (sizeof(T) == 1) {
      loops.quantize[grid.per_channel()](x + first, size, grid.grid(), zero_point, out + first);
    } else {
      loops.quantize_to_int16[grid.per_channel()](x + first, size, grid.grid(), zero_point,
                                                  out + first);
    }
  });
}

template void Quantize(const float*, int64_t, const QuantizationGrid&, int32_t, int8_t*,
                       const ParallelFor&);
template void Quantize(const float*, int64_t, const QuantizationGrid&, int32_t, int16_t*,
                       const ParallelFor&);

void FakeQuantize(const float* x, int64_t count, const QuantizationGrid& grid, float* out,
                  const ParallelFor& parallel_for) {
  const auto fake_quantize = Kernels().loops.quantization.fake_quantize[grid.per_channel()];
  ForGrid(count, grid, parallel_for, [&](int64_t first, int64_t size) {
    fake_quantize(x + first, size, grid.grid(), out + first);
  });
}

void FakeQuantizeGradient(const float* upstream, const float* x, int64_t count,
                          const QuantizationGrid& grid, float* out,
                          const ParallelFor& parallel_for) {
  const auto gradient = Kernels().loops.quantization.fake_quantize_gradient[grid.per_channel()];
  ForGrid(count, grid, parallel_for, [&](int64_t first, int64_t size) {
    gradient(upstream + first, x + first, size, grid.grid(), out + first);
  });
}

void LearnedScaleGradients(const float* upstream, const float* x, int64_t count,
                           const QuantizationGrid& grid, float* out, float* by_scale,
                           float* clamped, const ParallelFor& parallel_for) {
  const auto gradients = Kernels().loops.quantization.learned_scale_gradients[grid.per_channel()];
  const int64_t channels = grid.channels();
  // A row is what one call takes: a chunk, or one value of each channel. Blocks of rows have sums
  // of their own, which are added up one after another: neither depends on the number of threads.
  const int64_t row = grid.per_channel() ? channels : std::min(kChunk, count);
  const int64_t rows = (count + row - 1) / row;
  const int64_t block = std::max(kChunk / row, (rows + kMostBlocks - 1) / kMostBlocks);
  const int64_t blocks = (rows + block - 1) / block;
  std::vector<float> sums(blocks * 2 * channels, 0.0f);
  parallel_for.Run(blocks, block * row, [&](int64_t begin, int64_t end) {
    for (int64_t b = begin; b < end; ++b) {
      float* own = sums.data() + b * 2 * channels;
      const int64_t stop = std::min((b + 1) * block * row, count);
      for (int64_t first = b * block * row; first < stop; first += row) {
        gradients(upstream + first, x + first, std::min(row, stop - first), grid.grid(),
                  out + first, own, own + channels);
      }
    }
  });
  std::vector<double> totals(2 * channels, 0.0);
  for (int64_t b = 0; b < blocks; ++b) {
    for (int64_t i = 0; i < 2 * channels; ++i) totals[i] += sums[b * 2 * channels + i];
  }
  for (int64_t c = 0; c < channels; ++c) {
    by_scale[c] = static_cast<float>(totals[c]);
    clamped[c] = static_cast<float>(totals[channels + c]);
  }
}

void MinMax(const float* x, int64_t count, float* min, float* max,
            const ParallelFor& parallel_for) {
  const QuantizationLoops& loops = Kernels().loops.quantization;
  std::mutex mutex;
  float low = std::numeric_limits<float>::infinity(), high = -low;
  ForChunks(count, parallel_for, [&](int64_t first, int64_t size) {
    float ends[2] = {std::numeric_limits<float>::infinity(),
                     -std::numeric_limits<float>::infinity()};
    loops.min_max(x + first, size, &ends[0], &ends[1]);
    std::lock_guard<std::mutex> lock(mutex);
    loops.min_max(ends, 2, &low, &high);
  });
  *min = low;
  *max = high;
}

}  // namespace kerasopt
