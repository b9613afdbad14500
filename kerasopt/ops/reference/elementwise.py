"""Integer Add and global mean."""

from typing import Any

import numpy as np
from keras import ops

from kerasopt.ops.reference.matmul import check, requantize


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
    check("x0", x0, "int8", len(x0.shape))
    check("x1", x1, "int8", len(x1.shape))
    x0 = ops.cast(x0, "int32") - zero_point0
    x1 = ops.cast(x1, "int32") - zero_point1
    total = x0 * multiplier0 + x1 * multiplier1 + (1 << (shift - 1))
    q = ops.right_shift(total, shift) + output_zero_point
    return ops.cast(ops.clip(q, output_min, output_max), "int8")


def quantized_mean(
    x: Any, *, scale_ratio: float, input_zero_point: int, output_zero_point: int, keepdims: bool
) -> Any:
    """Mean over height and width with `M = float32(scale_ratio / pixels)`."""
    check("x", x, "int8", 4)
    accumulator = ops.sum(ops.cast(x, "int32") - input_zero_point, axis=(1, 2), keepdims=keepdims)
    height, width = x.shape[1:3]
    if height is None or width is None:
        raise ValueError(
            "The reference mean needs a known height and width; build the model with a static "
            f"image size or install the native library. Received: x.shape={x.shape}"
        )
    multiplier = float(np.float32(scale_ratio) / np.float32(height * width))
    return requantize(accumulator, 0, multiplier, output_zero_point, -128, 127)
