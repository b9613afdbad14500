// The rows of a matrix, in blocks.

#ifndef KERASOPT_KERNELS_MATRIX_ROWS_H_
#define KERASOPT_KERNELS_MATRIX_ROWS_H_

#include "kernels/copy.h"
#include "kernels/gemm.h"

namespace kerasopt {

class MatrixRows : public RowBlocks {
 public:
  // x is row-major, and is multiplied with a kernel of `shape`.
  MatrixRows(const void* x, int64_t rows, const Copy& copy, const PackedShape& shape, int threads)
      : x_(static_cast<const char*>(x)), rows_(rows), depth_(shape.depth), copy_(copy) {
    row_bytes_ = depth_ * copy.value_bytes;
    block_rows_ = BlockRows(rows, row_bytes_, shape.panels(), threads);
  }

  int64_t blocks() const override { return CeilDivide(rows_, block_rows_); }
  int64_t largest_block() const override { return block_rows_; }
  int64_t scratch_bytes() const override { return block_rows_ * row_bytes_; }

  int64_t Load(int64_t block, char* scratch, const char** rows) const override {
    const int64_t first = first_row(block), count = std::min(block_rows_, rows_ - first);
    // What follows a row, up to a whole quad, is multiplied by zeros.
    copy_.convert(x_ + first * depth_ * copy_.source_bytes, count * depth_, scratch);
    for (int64_t i = 0; i < count; ++i) rows[i] = scratch + i * row_bytes_;
    return count;
  }

  int64_t first_row(int64_t block) const override { return block * block_rows_; }
  void SetRunOffsets(int64_t* offsets) const override { offsets[0] = 0; }
  int64_t group_bytes() const override { return 0; }

 private:
  const char* x_;
  int64_t rows_, depth_, row_bytes_, block_rows_;
  Copy copy_;
};

}  // namespace kerasopt

#endif  // KERASOPT_KERNELS_MATRIX_ROWS_H_
