"""Integer addition and multiplication of two tensors."""

from typing import Any

from keras import backend, ops

from kerasopt.ops.reference.matmul import centered, requantize


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
    dtype = backend.standardize_dtype(x0.dtype)
    x0, x1 = centered(x0, x1, zero_point0, zero_point1, ("int8", "int16"))
    if dtype == "int16":
        # A product has up to 36 bits, so both bytes are summed separately.
        low = x0 * (multiplier0 & 255) + x1 * (multiplier1 & 255)
        total = x0 * (multiplier0 >> 8) + x1 * (multiplier1 >> 8) + ops.right_shift(low, 8)
        shift -= 8
    else:
        total = x0 * multiplier0 + x1 * multiplier1
    q = ops.right_shift(total + (1 << (shift - 1)), shift) + output_zero_point
    return ops.cast(ops.clip(q, output_min, output_max), dtype)


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
    x0, x1 = centered(x0, x1, zero_point0, zero_point1)
    return requantize(x0 * x1, 0, multiplier, output_zero_point, output_min, output_max)
