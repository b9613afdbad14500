"""Integer addition and multiplication of two tensors."""

from typing import Any

from keras import ops

from kerasopt.ops.reference.matmul import requantize
from kerasopt.ops.validation import check_tensor


def quantized_add(
    x0: Any,
    x1: Any,
    *,
    multiplier0: int,
    multiplier1: int,
    shift: int,
    zero_point0: int,
    zero_point1: int,
    output_zero_point: int,
    output_min: int,
    output_max: int,
) -> Any:
    """`clamp(((x0 * m0 + x1 * m1 + 2^(shift - 1)) >> shift) + zero_point)`, all in int32."""
    check_tensor("x0", x0, "int8", len(x0.shape))
    check_tensor("x1", x1, "int8", len(x1.shape))
    x0 = ops.cast(x0, "int32") - zero_point0
    x1 = ops.cast(x1, "int32") - zero_point1
    total = x0 * multiplier0 + x1 * multiplier1 + (1 << (shift - 1))
    q = ops.right_shift(total, shift) + output_zero_point
    return ops.cast(ops.clip(q, output_min, output_max), "int8")


def quantized_multiply(
    x0: Any,
    x1: Any,
    *,
    multiplier: float,
    zero_point0: int,
    zero_point1: int,
    output_zero_point: int,
    output_min: int,
    output_max: int,
) -> Any:
    """Reference of `kerasopt.ops.quantized_multiply`."""
    check_tensor("x0", x0, "int8", len(x0.shape))
    check_tensor("x1", x1, "int8", len(x1.shape))
    x0 = ops.cast(x0, "int32") - zero_point0
    x1 = ops.cast(x1, "int32") - zero_point1
    return requantize(x0 * x1, 0, multiplier, output_zero_point, output_min, output_max)
