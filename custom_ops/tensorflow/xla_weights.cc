#include "xla_weights.h"

#include <vector>

#include "xla/hlo/builder/lib/constants.h"
#include "xla_support.h"

namespace kerasopt {
namespace {

xla::XlaOp Byte(xla::XlaOp like, int8_t value) {
  return xla::ConstantR0<int8_t>(like.builder(), value);
}

// Low and high halves of bytes, side by side on a new axis before the last `axes` ones.
xla::XlaOp Halves(xla::XlaOp x, int axes) {
  const auto dimensions = x.builder()->GetShape(x)->dimensions();
  std::vector<int64_t> shape(dimensions.begin(), dimensions.end());
  const int64_t axis = static_cast<int64_t>(shape.size()) - axes;
  shape.insert(shape.begin() + axis, 1);
  const xla::XlaOp four = Byte(x, 4);
  const xla::XlaOp low = xla::ShiftRightArithmetic(xla::ShiftLeft(x, four), four);
  return xla::ConcatInDim(
      x.builder(),
      {xla::Reshape(low, shape), xla::Reshape(xla::ShiftRightArithmetic(x, four), shape)}, axis);
}

// Weights of "2:4" blocks (blocks, bytes) as (blocks, columns, rows).
xla::XlaOp TwoOfFour(xla::XlaOp stored, int64_t blocks) {
  xla::XlaOp halves =
      xla::Reshape(xla::SliceInDim(stored, 2 * kColumnBlock, 40, 1, 1), {blocks, 2, 4});
  halves = xla::Transpose(halves, {0, 2, 1});
  const xla::XlaOp pair =
      xla::And(xla::Reshape(Halves(halves, 1), {blocks, kColumnBlock, 1}), Byte(stored, 7));
  const auto is = [&](int8_t value) { return xla::Eq(pair, Byte(stored, value)); };
  const auto below = [&](int8_t value) { return xla::Lt(pair, Byte(stored, value)); };
  const auto byte = [&](int8_t value) { return xla::FullLike(pair, value); };
  const xla::XlaOp first = xla::Select(below(3), byte(0), xla::Select(below(5), byte(1), byte(2)));
  const xla::XlaOp second =
      xla::Select(is(0), byte(1), xla::Select(xla::Or(is(1), is(3)), byte(2), byte(3)));
  const xla::XlaOp weights =
      xla::Reshape(xla::SliceInDim(stored, 0, 2 * kColumnBlock, 1, 1), {blocks, kColumnBlock, 2});
  const auto weight = [&](int i) { return xla::SliceInDim(weights, i, i + 1, 1, 2); };
  std::vector<xla::XlaOp> rows;
  for (int8_t row = 0; row < kQuad; ++row) {
    const auto in_row = [&](xla::XlaOp at, int i) {
      return xla::Select(xla::Eq(at, Byte(stored, row)), weight(i), byte(0));
    };
    rows.push_back(in_row(first, 0) + in_row(second, 1));
  }
  return xla::ConcatInDim(stored.builder(), rows, 2);
}

// Signs of "binary" blocks (blocks, bytes) as (blocks, columns, rows).
xla::XlaOp Signs(xla::XlaOp stored, int64_t blocks) {
  const std::vector<int64_t> shape = {blocks, kColumnBlock, 4, 8};
  const xla::XlaOp bytes =
      xla::BroadcastInDim(xla::Reshape(stored, {blocks, kColumnBlock, 4}), shape, {0, 1, 2});
  const xla::XlaOp bit = xla::Iota(stored.builder(), xla::ShapeUtil::MakeShape(xla::S8, shape), 3);
  const xla::XlaOp is_set = xla::And(xla::ShiftRightArithmetic(bytes, bit), xla::FullLike(bit, 1));
  const xla::XlaOp sign = xla::FullLike(bit, 1) - is_set - is_set;
  return xla::Reshape(sign, {blocks, kColumnBlock, 32});
}

// Panels of `width` columns each, from `offset` on, as (runs, depth, panels * width).
xla::XlaOp UnpackPanels(xla::XlaOp packed, const PackedShape& shape, int64_t offset, int64_t panels,
                        int64_t width) {
  const int64_t quads = shape.quads() / shape.runs, rows = QuadRows(shape.format);
  const int64_t blocks = panels * shape.quads() * width / kColumnBlock;
  const int64_t bytes = BlockBytes(shape.format);
  xla::XlaOp x = xla::SliceInDim(packed, offset, offset + blocks * bytes, 1, 0);
  if (shape.format == WeightFormat::kTwoOfFour) {
    x = TwoOfFour(xla::Reshape(x, {blocks, bytes}), blocks);
  }
  if (shape.format == WeightFormat::kBinary) {
    x = Signs(xla::Reshape(x, {blocks, bytes}), blocks);
    x = xla::Reshape(x, {panels, shape.runs, quads, width, rows});
    x = xla::Transpose(x, {1, 2, 4, 0, 3});
    x = xla::Reshape(x, {shape.runs, quads * rows, panels * width});
    return xla::SliceInDim(x, 0, shape.depth, 1, 1);
  }
  if (IsHalf(shape.format)) {
    x = xla::Reshape(x, {panels, shape.runs, quads, width, 2});
    x = xla::BitcastConvertType(x, shape.format == WeightFormat::kFloat16 ? xla::F16 : xla::BF16);
    x = xla::Transpose(x, {1, 2, 0, 3});
    return xla::Reshape(x, {shape.runs, shape.depth, panels * width});
  }
  x = xla::Reshape(x, {panels, shape.runs, quads, width, kQuad});
  // Four rows of a quad, as often as it has them.
  x = shape.format == WeightFormat::kInt4
          ? Halves(x, 2)
          : xla::Reshape(x, {panels, shape.runs, quads, 1, width, kQuad});
  x = xla::Transpose(x, {1, 2, 3, 5, 0, 4});
  x = xla::Reshape(x, {shape.runs, quads * rows, panels * width});
  return xla::SliceInDim(x, 0, shape.depth, 1, 1);
}

}  // namespace

xla::XlaOp Unpack(xla::XlaOp packed, const PackedShape& shape) {
  const int64_t whole = shape.width() / kPanelColumns, rest = shape.width() % kPanelColumns;
  std::vector<xla::XlaOp> groups;
  for (int64_t group = 0; group < shape.groups; ++group) {
    const int64_t offset = group * shape.group_bytes();
    const int64_t panel_bytes =
        shape.quads() * kPanelColumns / kColumnBlock * BlockBytes(shape.format);
    std::vector<xla::XlaOp> parts;
    if (whole > 0) parts.push_back(UnpackPanels(packed, shape, offset, whole, kPanelColumns));
    if (rest > 0) {
      parts.push_back(UnpackPanels(packed, shape, offset + whole * panel_bytes, 1, rest));
    }
    groups.push_back(
        xla::SliceInDim(xla::ConcatInDim(packed.builder(), parts, 2), 0, shape.columns, 1, 2));
  }
  return xla::ConcatInDim(packed.builder(), groups, 2);
}

absl::Status CheckPacked(XlaOpKernelContext* context, const PackedShape& shape) {
  return CheckWeights(InputShape(context, 1),
                      PackedBytes(shape.bytes(), shape.groups * shape.columns));
}

xla::XlaOp Multipliers(XlaOpKernelContext* context, int64_t channels) {
  return UsableOrZero(Words(context, 0, channels, xla::F32));
}

xla::XlaOp Words(XlaOpKernelContext* context, int64_t behind, int64_t channels,
                 xla::PrimitiveType type) {
  const int64_t bytes = channels * 4, end = context->InputXlaShape(1)->dimensions(0);
  const xla::XlaOp words =
      xla::SliceInDim(context->Input(1), end - (behind + 1) * bytes, end - behind * bytes, 1, 0);
  return xla::BitcastConvertType(xla::Reshape(words, {channels, 4}), type);
}

}  // namespace kerasopt
