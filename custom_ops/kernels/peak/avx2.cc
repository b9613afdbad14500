// 16 products of bytes that were widened to 16 bits (vpmaddwd), and their sums (vpaddd).

#include <immintrin.h>

#include "kernels/peak/peak.h"

namespace kerasopt {

// In the assembler's words: a compiler that saw the same sum twice would compute it once.
int64_t PeakProductsAvx2(int64_t steps) {
  const __m256i ones = _mm256_set1_epi16(1);
  for (int64_t step = 0; step < steps; ++step) {
    __asm__ volatile(
        "vpmaddwd %0, %0, %%ymm1\n vpaddd %%ymm1, %%ymm5, %%ymm5\n"
        "vpmaddwd %0, %0, %%ymm2\n vpaddd %%ymm2, %%ymm6, %%ymm6\n"
        "vpmaddwd %0, %0, %%ymm3\n vpaddd %%ymm3, %%ymm7, %%ymm7\n"
        "vpmaddwd %0, %0, %%ymm4\n vpaddd %%ymm4, %%ymm8, %%ymm8\n"
        :
        : "x"(ones)
        : "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8");
  }
  return steps * 4 * 16;
}

}  // namespace kerasopt
