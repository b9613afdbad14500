"""Sums of int16 values times weights, computed from their high and low bytes.

    x = 256 * high + low,  sum(x * kernel) = 256 * sum(high * kernel) + sum(low * kernel)

Sums of up to 65,536 products of a byte fit into int32. The total may not, so it is shifted to the
right, rounding half up, by as many bits as the largest possible sum needs. It is converted to
float32, which has fewer bits of precision.
"""

from typing import Any

import numpy as np
from keras import ops

MOST_PRODUCTS = 65536
_LARGEST = float(np.finfo("float32").max)


def shift_of(products: int) -> int:
    """The shift with which a sum of products and an int32 bias fits into int32."""
    largest = products * 2**22 + 2**31
    return next(shift for shift in range(1, 64) if largest >> shift < 2**31 - 1)


def halves(x: Any) -> tuple[Any, Any]:
    """int32 tensors of the high bytes, -128 to 127, and the low ones, 0 to 255."""
    x = ops.cast(x, "int32")
    return ops.right_shift(x, 8), ops.bitwise_and(x, 255)


def requantize_halves(
    high: Any,
    low: Any,
    bias: Any,
    multiplier: Any,
    products: int,
    output_min: int,
    output_max: int,
) -> Any:
    """`clamp(round_half_even(float32(shifted sum) * 2^shift * multiplier))` as int16."""
    if products > MOST_PRODUCTS:
        raise ValueError(
            f"A sum of int16 values times weights must have at most {MOST_PRODUCTS} products. "
            f"Received: {products}"
        )
    shift = shift_of(products)
    high = high + ops.right_shift(bias, 8)
    low = low + ops.bitwise_and(bias, 255) + (1 << (shift - 1))
    sums = ops.left_shift(high, 8 - shift) + ops.right_shift(low, shift)
    scale = ops.minimum(multiplier, _LARGEST / 2**shift) * 2.0**shift
    q = ops.clip(ops.round(ops.cast(sums, "float32") * scale), output_min, output_max)
    return ops.cast(ops.cast(q, "int32"), "int16")
