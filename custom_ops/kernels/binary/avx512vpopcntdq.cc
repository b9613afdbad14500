// Binary GEMM for AVX-512 with VPOPCNTDQ: 6 rows x 64 columns, 32 products in a lane.

#include "kernels/binary/table.h"
#include "kernels/gemm/tiles_avx512.h"

namespace kerasopt {
namespace {

struct BinaryWeights : PlainWeights {
  static Ints Dot(Ints sums, __m512i activations, __m512i weights) {
    return sums + (Ints)_mm512_popcnt_epi32(_mm512_xor_si512(activations, weights));
  }
  static Ints Begin(const int32_t*) { return Ints{}; }
  static Ints End(Ints sums, const int32_t* first) { return Load<Ints>(first) - (sums << 13); }
};

}  // namespace

const MultiplyBinary kBinaryAvx512Vpopcntdq = ToFloat<BinaryWeights>;

}  // namespace kerasopt
