#include "kernels/half/half_matmul.h"

#include <algorithm>

#include "kernels/gemm/matrix_rows.h"
#include "kernels/gemm/window_rows.h"

namespace kerasopt {
namespace {

// The rows of a matrix where they are: nothing of them has to fit into a cache.
class FloatRows : public MatrixBlocks {
 public:
  FloatRows(const float* x, int64_t rows, const PackedShape& shape, int threads)
      : MatrixBlocks(rows, BlockRows(rows, 1, shape.panels(), threads)),
        x_(reinterpret_cast<const char*>(x)),
        row_bytes_(shape.depth * sizeof(float)) {}

  int64_t scratch_bytes() const override { return 0; }

  int64_t Load(int64_t block, char*, const char** rows) const override {
    const int64_t first = first_row(block), count = RowsOf(block);
    for (int64_t i = 0; i < count; ++i) rows[i] = x_ + (first + i) * row_bytes_;
    return count;
  }

 private:
  const char* x_;
  int64_t row_bytes_;
};

void Multiply(const RowBlocks& left, const HalfKernel& kernel, float* out,
              const ParallelFor& parallel_for) {
  const PackedShape& shape = kernel.shape();
  const int64_t columns = shape.groups * shape.columns;
  const HalfKernels& kernels = kernel.kernels().half;
  const MultiplyHalf multiply =
      shape.format == WeightFormat::kFloat16 ? kernels.float16 : kernels.bfloat16;
  const auto body = [&](const LeftOperand& operand, const LoadedRows& rows, const ReadyPanel& at) {
    multiply(operand, rows.count, at.panel, kernel.affine(at.group, at.index),
             out + rows.first * columns + at.group * shape.columns + at.index * kPanelColumns,
             columns);
  };
  ForPanels(left, shape, kernel.packed(), false, parallel_for, body);
}

}  // namespace

HalfKernel::HalfKernel(const KernelTable& kernels, const PackedShape& shape, const int8_t* packed,
                       const float* scale, const float* bias)
    : PackedWeights(kernels, shape, packed),
      scale_(shape.groups * shape.width(), 1.0f),
      bias_(shape.groups * shape.width(), 0.0f) {
  for (int64_t group = 0; group < shape.groups; ++group) {
    const int64_t first = group * shape.columns, padded = group * shape.width();
    std::copy_n(scale + first, shape.columns, scale_.begin() + padded);
    std::copy_n(bias + first, shape.columns, bias_.begin() + padded);
  }
}

ChannelAffine HalfKernel::affine(int64_t group, int64_t panel) const {
  const int64_t first = FirstOf(group, panel);
  return {scale_.data() + first, bias_.data() + first};
}

void HalfMatMul(const float* x, int64_t rows, const HalfKernel& kernel, float* out,
                const ParallelFor& parallel_for) {
  Multiply(FloatRows(x, rows, kernel.shape(), parallel_for.threads()), kernel, out, parallel_for);
}

void HalfConv2D(const float* x, const ConvolutionShape& shape, const HalfKernel& kernel, float* out,
                const ParallelFor& parallel_for) {
  if (IsPointwise(shape, kernel.shape())) {
    return HalfMatMul(x, shape.pixels(), kernel, out, parallel_for);
  }
  Multiply(WindowRows(x, shape, kernel.shape(), kPlainCopy<float>, 0, parallel_for.threads()),
           kernel, out, parallel_for);
}

}  // namespace kerasopt
