// The rows of a matrix, in blocks.

#ifndef KERASOPT_KERNELS_GEMM_MATRIX_ROWS_H_
#define KERASOPT_KERNELS_GEMM_MATRIX_ROWS_H_

#include <algorithm>

#include "kernels/gemm/activations.h"
#include "kernels/gemm/gemm.h"

namespace kerasopt {

// What all blocks of a matrix' rows have in common.
class MatrixBlocks : public RowBlocks {
 public:
  int64_t blocks() const override { return CeilDivide(rows_, block_rows_); }
  int64_t largest_block() const override { return block_rows_; }
  int64_t first_row(int64_t block) const override { return block * block_rows_; }
  void SetRunOffsets(int64_t* offsets) const override { offsets[0] = 0; }
  int64_t group_bytes() const override { return 0; }

 protected:
  MatrixBlocks(int64_t rows, int64_t block_rows) : rows_(rows), block_rows_(block_rows) {}

  int64_t RowsOf(int64_t block) const { return std::min(block_rows_, rows_ - first_row(block)); }

 private:
  int64_t rows_, block_rows_;
};

// Rows that are copied.
class MatrixRows : public MatrixBlocks {
 public:
  // x is row-major, and is multiplied with a kernel of `shape`.
  MatrixRows(const void* x, int64_t rows, const Copy& copy, const PackedShape& shape, int threads)
      : MatrixBlocks(rows,
                     BlockRows(rows, shape.depth * copy.value_bytes, shape.panels(), threads)),
        x_(static_cast<const char*>(x)),
        depth_(shape.depth),
        row_bytes_(shape.depth * copy.value_bytes),
        copy_(copy) {}

  int64_t scratch_bytes() const override { return largest_block() * row_bytes_; }

  int64_t Load(int64_t block, char* scratch, const char** rows) const override {
    const int64_t first = first_row(block), count = RowsOf(block);
    // What follows a row, up to a whole quad, is multiplied by zeros.
    copy_.convert(x_ + first * depth_ * copy_.source_bytes, count * depth_, scratch);
    for (int64_t i = 0; i < count; ++i) rows[i] = scratch + i * row_bytes_;
    return count;
  }

 private:
  const char* x_;
  int64_t depth_, row_bytes_;
  Copy copy_;
};

}  // namespace kerasopt

#endif  // KERASOPT_KERNELS_GEMM_MATRIX_ROWS_H_
