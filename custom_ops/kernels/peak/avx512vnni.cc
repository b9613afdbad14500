// 64 products of bytes an instruction (vpdpbusd).

#include <immintrin.h>

#include "kernels/peak/peak.h"

namespace kerasopt {

// In the assembler's words: a compiler that saw the same sum twice would compute it once.
int64_t PeakProductsAvx512Vnni(int64_t steps) {
  const __m512i ones = _mm512_set1_epi8(1);
  for (int64_t step = 0; step < steps; ++step) {
    __asm__ volatile(
        "vpdpbusd %0, %0, %%zmm16\n vpdpbusd %0, %0, %%zmm17\n vpdpbusd %0, %0, %%zmm18\n"
        "vpdpbusd %0, %0, %%zmm19\n vpdpbusd %0, %0, %%zmm20\n vpdpbusd %0, %0, %%zmm21\n"
        "vpdpbusd %0, %0, %%zmm22\n vpdpbusd %0, %0, %%zmm23\n vpdpbusd %0, %0, %%zmm24\n"
        "vpdpbusd %0, %0, %%zmm25\n vpdpbusd %0, %0, %%zmm26\n vpdpbusd %0, %0, %%zmm27\n"
        :
        : "v"(ones)
        : "xmm16", "xmm17", "xmm18", "xmm19", "xmm20", "xmm21", "xmm22", "xmm23", "xmm24", "xmm25",
          "xmm26", "xmm27");
  }
  return steps * 12 * 64;
}

}  // namespace kerasopt
