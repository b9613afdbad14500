// int8 weights in the order in which an instruction set's GEMM reads them.

#ifndef KERASOPT_KERNELS_PACKED_WEIGHTS_H_
#define KERASOPT_KERNELS_PACKED_WEIGHTS_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "kernels/kernel_table.h"

namespace kerasopt {

class PackedWeights {
 public:
  // Packs a row-major (depth, columns) matrix as [panel][depth / group][panel columns][group],
  // padded with zeros.
  PackedWeights(const KernelTable& kernels, const int8_t* weights, int64_t depth, int64_t columns);

  const GemmKernel& gemm() const { return kernels_->gemm; }
  const KernelTable* kernels() const { return kernels_; }
  int64_t columns() const { return columns_; }
  int64_t panels() const { return panels_; }
  int64_t depth_groups() const { return depth_groups_; }
  const void* panel(int64_t index) const { return data_.get() + index * panel_bytes_; }

  // Bias that corrects for activations stored without their zero point subtracted:
  // bias - (zero point + activation offset) * sum of the column, padded to whole panels.
  std::vector<int32_t> FoldBias(const int32_t* bias, int32_t input_zero_point) const;

 private:
  struct Free {
    void operator()(char* memory) const;
  };

  const KernelTable* kernels_;
  int64_t columns_, panels_, depth_groups_, panel_bytes_;
  std::unique_ptr<char, Free> data_;
  std::vector<uint32_t> column_sums_;
};

}  // namespace kerasopt

#endif  // KERASOPT_KERNELS_PACKED_WEIGHTS_H_
