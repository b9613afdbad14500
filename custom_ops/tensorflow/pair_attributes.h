// The attributes of sums and products of two tensors, and of their matrices.

#ifndef KERASOPT_TENSORFLOW_PAIR_ATTRIBUTES_H_
#define KERASOPT_TENSORFLOW_PAIR_ATTRIBUTES_H_

#include <vector>

#include "attributes.h"
#include "kernels/common/broadcast.h"
#include "kernels/elementwise/table.h"
#include "kernels/matrix_product/table.h"

namespace kerasopt {

// Zero points, of values of type T, int8_t or int16_t.
template <typename T, typename Context, typename Parameters>
absl::Status GetPairPoints(Context* context, Parameters* p, int32_t* output_zero_point) {
  TF_RETURN_IF_ERROR(GetZeroPoint<T>(context, "zero_point0", &p->zero_point0));
  TF_RETURN_IF_ERROR(GetZeroPoint<T>(context, "zero_point1", &p->zero_point1));
  return GetZeroPoint<T>(context, "output_zero_point", output_zero_point);
}

template <typename T, typename Context>
absl::Status GetAdd(Context* context, AddParameters* p) {
  constexpr int64_t kLeastShift = sizeof(T) == 1 ? 1 : 9;
  // With these bounds no sum of two products leaves int32.
  TF_RETURN_IF_ERROR(GetIntegerAttr(context, "multiplier0", 0, 1 << 21, &p->multiplier0));
  TF_RETURN_IF_ERROR(GetIntegerAttr(context, "multiplier1", 0, 1 << 21, &p->multiplier1));
  TF_RETURN_IF_ERROR(GetIntegerAttr(context, "shift", kLeastShift, 30, &p->shift));
  TF_RETURN_IF_ERROR(GetPairPoints<T>(context, p, &p->output_zero_point));
  return GetRange<T>(context, &p->output_min, &p->output_max);
}

template <typename Context>
absl::Status GetProduct(Context* context, ProductParameters* p) {
  int32_t min, max;
  TF_RETURN_IF_ERROR(GetPositiveAttr(context, "multiplier", &p->multiplier));
  TF_RETURN_IF_ERROR(GetPairPoints<int8_t>(context, p, &p->output_zero_point));
  TF_RETURN_IF_ERROR(GetRange<int8_t>(context, &min, &max));
  p->min = static_cast<float>(min - p->output_zero_point);
  p->max = static_cast<float>(max - p->output_zero_point);
  return absl::OkStatus();
}

// Reads the order in which an operand's axes are those of matrices; none if they are already.
template <typename Context>
absl::Status GetOrder(Context* context, const char* name, std::vector<int64_t>* order) {
  TF_RETURN_IF_ERROR(context->GetAttr(name, order));
  std::vector<bool> is_free(order->size(), true);
  for (int64_t axis : *order) {
    if (axis < 0 || axis >= static_cast<int64_t>(order->size()) || !is_free[axis]) {
      return InvalidArgument(name, " must have each axis once. Received: ", name, "=[",
                             absl::StrJoin(*order, ", "), "]");
    }
    is_free[axis] = false;
  }
  return absl::OkStatus();
}

template <typename Context>
absl::Status GetMatrixProduct(Context* context, MatrixProduct* p) {
  SumParameters& output = p->output;
  TF_RETURN_IF_ERROR(GetPositiveAttr(context, "multiplier", &output.multiplier));
  TF_RETURN_IF_ERROR(GetPairPoints<int8_t>(context, p, &output.output_zero_point));
  output.min = static_cast<float>(-128 - output.output_zero_point);
  output.max = static_cast<float>(127 - output.output_zero_point);
  return absl::OkStatus();
}

// Puts the axes of a shape into an order, if there is one; false if it is none of its axes.
inline bool PutInOrder(const std::vector<int64_t>& order, Strided* operand) {
  if (order.empty()) return true;
  if (order.size() != operand->shape.size()) return false;
  *operand = operand->Permuted(order);
  return true;
}

// The shape of the products of matrices; false if there are none.
inline bool ProductShape(const std::vector<int64_t>& shape0, const std::vector<int64_t>& shape1,
                         std::vector<int64_t>* shape) {
  const size_t rank = shape0.size();
  if (rank < 2 || shape1.size() != rank || shape0[rank - 1] != shape1[rank - 2]) return false;
  const std::vector<int64_t> batch0(shape0.begin(), shape0.end() - 2);
  const std::vector<int64_t> batch1(shape1.begin(), shape1.end() - 2);
  if (!BroadcastShape(batch0, batch1, shape)) return false;
  shape->insert(shape->end(), {shape0[rank - 2], shape1[rank - 1]});
  return true;
}

}  // namespace kerasopt

#endif  // KERASOPT_TENSORFLOW_PAIR_ATTRIBUTES_H_
