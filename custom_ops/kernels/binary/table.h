// The functions that each instruction set has for binary matrix multiplications.

#ifndef KERASOPT_KERNELS_BINARY_TABLE_H_
#define KERASOPT_KERNELS_BINARY_TABLE_H_

#include <cstdint>

#include "kernels/gemm/table.h"

namespace kerasopt {

// Multiplies rows of bits with a panel of WeightFormat::kBinary: sums are first - (d << 13), where
// d is how many bits differ.
using MultiplyBinary = void (*)(const LeftOperand& left, int64_t rows, const Panel& panel,
                                const int32_t* first, const FloatScaling& scaling, float* out,
                                int64_t out_stride);

// Bits of `count` values, set where a value is not at least 0, the lowest first; the last byte is
// filled up with clear ones.
using SignBitsFunction = void (*)(const float* x, int64_t count, uint8_t* out);

extern const MultiplyBinary kBinaryScalar;
#ifdef KERASOPT_X86
extern const MultiplyBinary kBinaryAvx2;
extern const MultiplyBinary kBinaryAvx512Vpopcntdq;
#endif

}  // namespace kerasopt

#endif  // KERASOPT_KERNELS_BINARY_TABLE_H_
