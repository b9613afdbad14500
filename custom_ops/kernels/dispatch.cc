#include "kernels/dispatch.h"

#include <atomic>
#include <cstdlib>
#include <cstring>

#ifdef KERASOPT_X86
#include <cpuid.h>
#endif
#ifdef KERASOPT_NEONDOT
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

namespace kerasopt {
namespace {

struct Candidate {
  KernelTable table;
  bool (*supported)();
};

#ifdef KERASOPT_X86
// Every CPU with AVX2 that is known has both. Not all compilers know "f16c" by its name.
bool HasFmaAndF16c() {
  unsigned eax, ebx, ecx, edx;
  return __builtin_cpu_supports("fma") && __get_cpuid(1, &eax, &ebx, &ecx, &edx) != 0 &&
         (ecx & bit_F16C) != 0;
}
#endif

// Best first.
const Candidate* Candidates(int* count) {
  static const Candidate candidates[] = {
#ifdef KERASOPT_X86
      {{"avx512vnni", kGemmAvx512Vnni, kLoopsAvx512, kSparseAvx512Vnni,
        __builtin_cpu_supports("avx512vpopcntdq") ? kBinaryAvx512Vpopcntdq : kBinaryAvx2,
        kHalfAvx512Vnni, kWeightOnlyAvx512Vnni, &kDepthwiseAvx512Vnni, &PeakProductsAvx512Vnni},
       [] {
         return __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512bw") &&
                __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
       }},
#ifdef KERASOPT_AVXVNNI
      {{"avxvnni", kGemmAvxVnni, kLoopsAvx2, kSparseAvx2, kBinaryAvx2, kHalfAvx2, kWeightOnlyAvx2,
        nullptr, nullptr},
       [] { return __builtin_cpu_supports(KERASOPT_AVXVNNI) && HasFmaAndF16c(); }},
#endif
      {{"avx2", kGemmAvx2, kLoopsAvx2, kSparseAvx2, kBinaryAvx2, kHalfAvx2, kWeightOnlyAvx2,
        nullptr, &PeakProductsAvx2},
       [] { return __builtin_cpu_supports("avx2") && HasFmaAndF16c(); }},
#endif
#ifdef KERASOPT_NEONDOT
      // The compiler has plain NEON everywhere, so for scalar loops, too.
      {{"neondot", kGemmNeonDot, kLoopsScalar, kSparseScalar, kBinaryScalar, kHalfScalar,
        kWeightOnlyScalar, nullptr, nullptr},
       [] { return (getauxval(AT_HWCAP) & HWCAP_ASIMDDP) != 0; }},
#endif
      {{"scalar", kGemmScalar, kLoopsScalar, kSparseScalar, kBinaryScalar, kHalfScalar,
        kWeightOnlyScalar, nullptr, nullptr},
       [] { return true; }},
  };
  *count = sizeof(candidates) / sizeof(candidates[0]);
  return candidates;
}

// The best supported table, or the one called `name`; nullptr if there is none.
const KernelTable* Find(const char* name) {
  int count;
  const Candidate* candidates = Candidates(&count);
  for (int i = 0; i < count; ++i) {
    const bool wanted = name == nullptr || std::strcmp(name, candidates[i].table.name) == 0;
    if (wanted && candidates[i].supported()) return &candidates[i].table;
  }
  return nullptr;
}

std::atomic<const KernelTable*>& Selected() {
  static std::atomic<const KernelTable*> selected([] {
    const char* name = std::getenv("KERASOPT_ISA");
    const KernelTable* forced = name == nullptr ? nullptr : Find(name);
    return forced != nullptr ? forced : Find(nullptr);
  }());
  return selected;
}

}  // namespace

const KernelTable& Kernels() { return *Selected().load(std::memory_order_acquire); }

}  // namespace kerasopt

bool KerasoptSelectInstructionSet(const char* name) {
  const kerasopt::KernelTable* table = kerasopt::Find(name);
  if (table == nullptr) return false;
  kerasopt::Selected().store(table, std::memory_order_release);
  return true;
}
