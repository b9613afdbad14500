// Kernels of small integers in the one order in which the GEMM of every instruction set reads them.
//
// A kernel is a matrix of `runs` times `depth` rows and `columns` columns, for each group. A run is
// what lies side by side in an image: a line of a convolution's window, or its only pixel. Runs are
// padded to whole stored quads, columns to whole blocks of 16, with zeros. Panels of 64 columns
// (the last one of what is left) follow each other, each as [quad][block]; see weight_format.h.

#ifndef KERASOPT_KERNELS_GEMM_PACKED_KERNEL_H_
#define KERASOPT_KERNELS_GEMM_PACKED_KERNEL_H_

#include <cstdint>
#include <vector>

#include "kernels/gemm/weight_format.h"
#include "kernels/kernel_table.h"

namespace kerasopt {

constexpr int64_t kPanelColumns = 64;

inline int64_t CeilDivide(int64_t a, int64_t b) { return (a + b - 1) / b; }

struct PackedShape {
  int64_t groups, runs, depth, columns;  // of each group
  WeightFormat format = WeightFormat::kInt8;

  int64_t quads() const { return runs * CeilDivide(depth, QuadRows(format)); }
  int64_t width() const { return CeilDivide(columns, kColumnBlock) * kColumnBlock; }
  int64_t panels() const { return CeilDivide(columns, kPanelColumns); }
  int64_t quad_bytes() const { return width() / kColumnBlock * BlockBytes(format); }
  int64_t group_bytes() const { return quads() * quad_bytes(); }
  int64_t bytes() const { return groups * group_bytes(); }

  bool operator==(const PackedShape& other) const {
    return groups == other.groups && runs == other.runs && depth == other.depth &&
           columns == other.columns && format == other.format;
  }

  // The quads that an expanded kernel has.
  int64_t expanded_quads() const { return quads() * QuadRows(format) / kQuad; }
};

// A panel of a kernel that begins at `packed`.
Panel PanelOf(const int8_t* packed, const PackedShape& shape, int64_t group, int64_t index);

// The same as kInt8 has it, in `out`, of expanded_quads() * kQuad * kPanelColumns bytes.
Panel ExpandedPanelOf(const int8_t* packed, const PackedShape& shape, int64_t group, int64_t index,
                      int8_t* out);

// Sums of the values of a column, and of their magnitudes.
struct ColumnSums {
  uint32_t values, magnitudes;
};

// Those of all columns, padded to shape.width() a group.
std::vector<ColumnSums> SumColumns(const int8_t* packed, const PackedShape& shape);

// A packed kernel that is kept elsewhere; derived classes have what follows its sums.
class PackedWeights {
 public:
  const KernelTable& kernels() const { return *kernels_; }
  const PackedShape& shape() const { return shape_; }
  const int8_t* packed() const { return packed_; }

 protected:
  PackedWeights(const KernelTable& kernels, const PackedShape& shape, const int8_t* packed)
      : kernels_(&kernels), shape_(shape), packed_(packed) {}

  // Of a panel, in a vector of shape().width() values a group.
  int64_t FirstOf(int64_t group, int64_t panel) const {
    return group * shape_.width() + panel * kPanelColumns;
  }

 private:
  const KernelTable* kernels_;
  PackedShape shape_;
  const int8_t* packed_;
};

class PackedKernel : public PackedWeights {
 public:
  // `bias` and `multiplier` have groups * columns values.
  PackedKernel(const KernelTable& kernels, const PackedShape& shape, const int8_t* packed,
               const int32_t* bias, const float* multiplier, int8_t input_zero_point);

  // The GEMM of `kernels`, or the scalar one if scaled sums could leave int32.
  const GemmKernel& gemm() const { return *gemm_; }
  int8_t input_zero_point() const { return input_zero_point_; }
  const int32_t* bias(int64_t group, int64_t panel) const {
    return bias_.data() + FirstOf(group, panel);
  }
  const float* multiplier(int64_t group, int64_t panel) const {
    return multiplier_.data() + FirstOf(group, panel);
  }

 private:
  const GemmKernel* gemm_;
  int8_t input_zero_point_;
  // Padded to shape().width() columns a group. The bias is corrected for activations that are
  // stored plus the GEMM's offset, and without their zero point subtracted.
  std::vector<int32_t> bias_;
  std::vector<float> multiplier_;
};

}  // namespace kerasopt

#endif  // KERASOPT_KERNELS_GEMM_PACKED_KERNEL_H_
