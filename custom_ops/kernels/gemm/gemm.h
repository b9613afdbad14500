// int8 x int8 matrix multiplication with fused bias and requantization.

#ifndef KERASOPT_KERNELS_GEMM_GEMM_H_
#define KERASOPT_KERNELS_GEMM_GEMM_H_

#include <cstdint>

#include "kernels/common/parallel_for.h"
#include "kernels/gemm/packed_kernel.h"

namespace kerasopt {

struct OutputRange {
  int32_t zero_point, min, max;
};

Requantization RequantizationOf(const int32_t* bias, const float* multiplier,
                                const OutputRange& output);

// The rows of a left operand, in blocks that are converted into scratch memory one at a time.
class RowBlocks {
 public:
  virtual ~RowBlocks() = default;

  virtual int64_t blocks() const = 0;
  virtual int64_t largest_block() const = 0;  // rows
  virtual int64_t scratch_bytes() const = 0;
  // Converts a block, and writes where its rows begin; returns their number.
  virtual int64_t Load(int64_t block, char* scratch, const char** rows) const = 0;
  // The row of the output that a block begins with.
  virtual int64_t first_row(int64_t block) const = 0;
  // Where the runs of a row begin, as LeftOperand has it.
  virtual void SetRunOffsets(int64_t* offsets) const = 0;
  // Bytes from the rows of one group to those of the next.
  virtual int64_t group_bytes() const = 0;
};

// Rows that a thread has converted.
struct LoadedRows {
  const char* scratch;  // where RowBlocks::Load wrote
  int64_t count;
  int64_t first;  // row of the output
};

// A panel of a kernel that a thread has ready, and where it is in the kernel.
struct ReadyPanel {
  Panel panel;
  int64_t group, index;
};

// A reference to what multiplies rows with a panel.
class PanelBody {
 public:
  template <typename Body>
  PanelBody(const Body& body)  // NOLINT: converts as std::function does
      : body_(&body),
        call_([](const void* object, const LeftOperand& left, const LoadedRows& rows,
                 const ReadyPanel& panel) {
          (*static_cast<const Body*>(object))(left, rows, panel);
        }) {}

  void operator()(const LeftOperand& left, const LoadedRows& rows, const ReadyPanel& panel) const {
    call_(body_, left, rows, panel);
  }

 private:
  const void* body_;
  void (*call_)(const void*, const LeftOperand&, const LoadedRows&, const ReadyPanel&);
};

// What multiplies the panels of a kernel: as they are stored, or expanded to int8 first.
struct PanelMultiply {
  GemmFunctions functions;
  bool is_expanded;
};
PanelMultiply PanelMultiplyOf(const GemmKernel& gemm, const PackedShape& shape);

// Calls `body` for each block of rows and each panel, on several threads.
void ForPanels(const RowBlocks& left, const PackedShape& shape, const int8_t* packed,
               bool is_expanded, const ParallelFor& parallel_for, PanelBody body);

// Blocks that all threads need, where each block may be shared out by panels.
int64_t NeededBlocks(int64_t panels, int threads);

// Rows of one block of a matrix: so many that they stay in the second-level cache, and that there
// are enough blocks for all threads.
int64_t BlockRows(int64_t rows, int64_t row_bytes, int64_t panels, int threads);

// Writes rows of groups * columns values.
void Gemm(const RowBlocks& left, const PackedKernel& kernel, const OutputRange& output, int8_t* out,
          const ParallelFor& parallel_for);

// Row-major x of shape (rows, depth).
void QuantizedMatMul(const int8_t* x, int64_t rows, const PackedKernel& kernel,
                     const OutputRange& output, int8_t* out, const ParallelFor& parallel_for);

}  // namespace kerasopt

#endif  // KERASOPT_KERNELS_GEMM_GEMM_H_
