// Binary GEMM for AVX-512 with VPOPCNTDQ: 6 rows x 64 columns, 32 products in a lane.

#include "kernels/binary/table.h"
#include "kernels/gemm/tiles_avx512.h"

namespace kerasopt {
namespace {

struct BinaryWeights {
  static constexpr int kQuads = 1, kBytes = 64;

  template <int kIndex>
  static __m512i Quad(const int8_t* stored) {
    return _mm512_loadu_si512(stored);
  }
  static Accumulators Dot(Accumulators sums, __m512i activations, __m512i weights) {
    return sums + (Accumulators)_mm512_popcnt_epi32(_mm512_xor_si512(activations, weights));
  }
  static Accumulators Begin(const int32_t*) { return Accumulators{}; }
  static Accumulators End(Accumulators sums, const int32_t* first) {
    return FirstSums(first) - (sums << 13);
  }
};

}  // namespace

const MultiplyBinary kBinaryAvx512Vpopcntdq = ToFloat<BinaryWeights>;

}  // namespace kerasopt
