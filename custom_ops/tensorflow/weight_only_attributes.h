// The attributes of products with packed integers.

#ifndef KERASOPT_TENSORFLOW_WEIGHT_ONLY_ATTRIBUTES_H_
#define KERASOPT_TENSORFLOW_WEIGHT_ONLY_ATTRIBUTES_H_

#include <vector>

#include "attributes.h"
#include "kernels/weight_only/table.h"
#include "shape_checks.h"

namespace kerasopt {

// `kernel_shape` is (matrices, depth, columns), also of matrices that are stored transposed.
class WeightOnlyAttributes {
 public:
  template <typename Context>
  absl::Status Init(Context* context) {
    TF_RETURN_IF_ERROR(GetKernelShape(context, 3, &shape_));
    TF_RETURN_IF_ERROR(GetIntegerAttr(context, "bits", 2, 8, &bits_));
    TF_RETURN_IF_ERROR(context->GetAttr("group", &group_));
    TF_RETURN_IF_ERROR(context->GetAttr("transposed", &transposed_));
    const int64_t stored = transposed_ ? depth() : columns();
    const bool is_width = bits_ == 2 || bits_ == 4 || bits_ == 8;
    const bool divides = group_ >= 1 && depth() % group_ == 0;
    // Runs of stored rows are whole vectors.
    const bool is_run =
        divides && (group_ == depth() || !transposed_ || group_ * bits_ % (8 * kPackedVector) == 0);
    if (!is_width || stored * bits_ % 8 != 0 || !is_run) {
      return InvalidArgument(
          "Rows of packed integers must be whole bytes, and groups divide the inputs. Received: "
          "kernel_shape=[",
          absl::StrJoin(shape_, ", "), "], bits=", bits_, ", group=", group_,
          ", transposed=", transposed_);
    }
    return absl::OkStatus();
  }

  int64_t matrices() const { return shape_[0]; }
  int64_t depth() const { return shape_[1]; }
  int64_t columns() const { return shape_[2]; }
  int bits() const { return bits_; }
  int64_t group() const { return group_; }
  bool transposed() const { return transposed_; }

  // Checks the shapes of the weights, and returns how many rows of scales a matrix has.
  absl::Status Check(const tensorflow::TensorShape& packed, const tensorflow::TensorShape& scale,
                     const tensorflow::TensorShape& zero_point, int64_t* scale_rows) const {
    const int64_t wide = matrices() * columns();
    TF_RETURN_IF_ERROR(CheckVector("packed", packed, wide * depth() * bits_ / 8));
    *scale_rows = scale.num_elements() / wide;
    const int64_t runs = depth() / group_;
    if (*scale_rows < 1 || runs % *scale_rows != 0) {
      return InvalidArgument("scale must have values for ", wide, " columns in runs that divide ",
                             runs, ". Received: scale.shape=", scale.DebugString());
    }
    TF_RETURN_IF_ERROR(CheckVector("scale", scale, wide * *scale_rows));
    return CheckVector("zero_point", zero_point, wide * *scale_rows);
  }

 private:
  std::vector<int64_t> shape_;
  int32_t bits_ = 8;
  int64_t group_ = 1;
  bool transposed_ = false;
};

}  // namespace kerasopt

#endif  // KERASOPT_TENSORFLOW_WEIGHT_ONLY_ATTRIBUTES_H_
