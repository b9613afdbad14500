// Attributes of ops, checked where they are read: by shape functions, which eager execution skips,
// and by CPU and XLA kernels, which get those of an edited SavedModel as they are.

#ifndef KERASOPT_TENSORFLOW_ATTRIBUTES_H_
#define KERASOPT_TENSORFLOW_ATTRIBUTES_H_

#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "absl/strings/str_join.h"
#include "invalid_argument.h"
#include "kernels/binary/binary.h"
#include "kernels/gemm/gemm.h"
#include "kernels/gemm/weight_format.h"
#include "tensorflow/core/platform/errors.h"

namespace kerasopt {

// With sizes of up to kMostSize, and so many values in all, no product of what is made of a shape
// leaves int64.
constexpr int64_t kMostSize = std::numeric_limits<int32_t>::max();
constexpr int64_t kMostValues = int64_t{1} << 40;

// Whether all sizes are positive, and they and their product within these bounds.
inline bool IsUsableShape(const std::vector<int64_t>& shape) {
  int64_t values = 1;
  for (int64_t size : shape) {
    if (size < 1 || size > kMostSize || values > kMostValues / size) return false;
    values *= size;
  }
  return true;
}

// Reads the shape that a packed kernel had before it was packed. It has `rank` sizes in any case:
// the constructor of a derived class goes on after an error in that of its base.
template <typename Context>
absl::Status GetKernelShape(Context* context, size_t rank, std::vector<int64_t>* shape) {
  shape->assign(rank, 1);
  std::vector<int64_t> sizes;
  TF_RETURN_IF_ERROR(context->GetAttr("kernel_shape", &sizes));
  if (sizes.size() != rank || !IsUsableShape(sizes)) {
    return InvalidArgument("kernel must have rank ", rank, ", no empty axis and at most ",
                           kMostValues, " values. Received: kernel_shape=[",
                           absl::StrJoin(sizes, ", "), "]");
  }
  *shape = sizes;
  return absl::OkStatus();
}

// Reads an integer attribute and checks that it is in [min, max].
template <typename Context>
absl::Status GetIntegerAttr(Context* context, const char* name, int64_t min, int64_t max,
                            int32_t* value) {
  int64_t attr;
  TF_RETURN_IF_ERROR(context->GetAttr(name, &attr));
  if (attr < min || attr > max) {
    return InvalidArgument(name, " must be from ", min, " to ", max, ". Received: ", name, "=",
                           attr);
  }
  *value = static_cast<int32_t>(attr);
  return absl::OkStatus();
}

// Reads a pair of integers, of height and width, and checks that both are from 1 to `most`.
template <typename Context>
absl::Status GetPairAttr(Context* context, const char* name, int64_t most, int64_t pair[2]) {
  std::vector<int64_t> values;
  TF_RETURN_IF_ERROR(context->GetAttr(name, &values));
  bool is_valid = values.size() == 2;
  for (int64_t value : values) is_valid = is_valid && value >= 1 && value <= most;
  if (!is_valid) {
    return InvalidArgument(name, " must have two values from 1 to ", most, ". Received: ", name,
                           "=[", absl::StrJoin(values, ", "), "]");
  }
  pair[0] = values[0], pair[1] = values[1];
  return absl::OkStatus();
}

// Reads whether the attribute `padding` is "same".
template <typename Context>
absl::Status GetIsSame(Context* context, bool* is_same) {
  std::string padding;
  TF_RETURN_IF_ERROR(context->GetAttr("padding", &padding));
  *is_same = padding == "same";
  if (*is_same || padding == "valid") return absl::OkStatus();
  return InvalidArgument("padding must be 'same' or 'valid'. Received: padding=", padding);
}

// Whether a number is positive and finite. By its bits: some threads of TensorFlow take subnormal
// numbers for 0, and others do not.
inline bool IsPositive(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof(bits));
  return bits > 0 && bits < 0x7f800000;
}

// Reads a float attribute and checks that it is positive and finite.
template <typename Context>
absl::Status GetPositiveAttr(Context* context, const char* name, float* value) {
  TF_RETURN_IF_ERROR(context->GetAttr(name, value));
  if (IsPositive(*value)) return absl::OkStatus();
  return InvalidArgument(name, " must be positive and finite. Received: ", name, "=", *value);
}

// Reads how a kernel of small integers is stored, or one of 16-bit floats.
template <typename Context>
absl::Status GetWeightFormat(Context* context, bool is_half, WeightFormat* format) {
  std::string name;
  TF_RETURN_IF_ERROR(context->GetAttr("weight_format", &name));
  *format = name == "int8"       ? WeightFormat::kInt8
            : name == "int4"     ? WeightFormat::kInt4
            : name == "2:4"      ? WeightFormat::kTwoOfFour
            : name == "float16"  ? WeightFormat::kFloat16
            : name == "bfloat16" ? WeightFormat::kBfloat16
                                 : WeightFormat::kBinary;
  if (*format != WeightFormat::kBinary && IsHalf(*format) == is_half) return absl::OkStatus();
  return InvalidArgument("weight_format must be one of this operation's. Received: weight_format=",
                         name);
}

// Reads into how many groups of one size the filters of a convolution are divided.
template <typename Context>
absl::Status GetGroups(Context* context, int64_t filters, int64_t* groups) {
  TF_RETURN_IF_ERROR(context->GetAttr("groups", groups));
  if (*groups >= 1 && filters % *groups == 0) return absl::OkStatus();
  return InvalidArgument("The filters must be in groups of one size. Received: groups=", *groups,
                         ", ", filters, " filters");
}

// What the attributes of KERASOPT_OUTPUT_ATTRS say.
struct ZeroPointsAndRange {
  int32_t input_zero_point;
  OutputRange output;
};

// T is int8_t, or int16_t, whose zero points are 0.
template <typename T, typename Context>
absl::Status GetZeroPoint(Context* context, const char* name, int32_t* value) {
  const bool is_int8 = sizeof(T) == 1;
  return GetIntegerAttr(context, name, is_int8 ? -128 : 0, is_int8 ? 127 : 0, value);
}

template <typename T, typename Context>
absl::Status GetRange(Context* context, int32_t* min, int32_t* max) {
  constexpr int64_t kMin = std::numeric_limits<T>::min(), kMax = std::numeric_limits<T>::max();
  TF_RETURN_IF_ERROR(GetIntegerAttr(context, "output_min", kMin, kMax, min));
  return GetIntegerAttr(context, "output_max", *min, kMax, max);
}

template <typename T, typename Context>
absl::Status GetZeroPointsAndRange(Context* context, ZeroPointsAndRange* value) {
  OutputRange& output = value->output;
  TF_RETURN_IF_ERROR(GetZeroPoint<T>(context, "input_zero_point", &value->input_zero_point));
  TF_RETURN_IF_ERROR(GetZeroPoint<T>(context, "output_zero_point", &output.zero_point));
  return GetRange<T>(context, &output.min, &output.max);
}

// Reads the ends of the grid of a fake quantization.
template <typename Context>
absl::Status GetLimits(Context* context, int32_t* qmin, int32_t* qmax) {
  TF_RETURN_IF_ERROR(GetIntegerAttr(context, "qmin", -32768, 65534, qmin));
  return GetIntegerAttr(context, "qmax", *qmin + 1, 65535, qmax);
}

// Reads what is added to variances.
template <typename Context>
absl::Status GetEpsilon(Context* context, float* epsilon) {
  TF_RETURN_IF_ERROR(context->GetAttr("epsilon", epsilon));
  if (*epsilon >= 0.0f && std::isfinite(*epsilon)) return absl::OkStatus();
  return InvalidArgument("epsilon must be finite and not negative. Received: epsilon=", *epsilon);
}

// Error if sums of the signs under a kernel may leave their range.
inline absl::Status CheckBinaryProducts(const std::vector<int64_t>& kernel) {
  const int64_t products = kernel[0] * kernel[1] * kernel[2];
  if (products <= kMostBinaryProducts) return absl::OkStatus();
  return InvalidArgument("A binary kernel sums at most ", kMostBinaryProducts,
                         " products. Received: ", products);
}

// Error if so many products of int16 and int8 values may leave the range of their sums.
template <typename T>
absl::Status CheckProducts(int64_t products, int64_t most) {
  if (sizeof(T) == 1 || products <= most) return absl::OkStatus();
  return InvalidArgument("A sum of int16 values times weights must have up to ", most,
                         " products. Received: ", products);
}

}  // namespace kerasopt

#endif  // KERASOPT_TENSORFLOW_ATTRIBUTES_H_
