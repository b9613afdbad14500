"""Integer addition and multiplication of two tensors."""

import math
from typing import Any

import numpy as np

from kerasopt.ops.dispatch import call
from kerasopt.ops.validation import (
    check_scales,
    integer_dtype,
    product_multiplier,
    standardize_output_range,
    standardize_zero_points,
)


def quantized_add(
    x0: Any,
    x1: Any,
    *,
    scale0: float,
    scale1: float,
    zero_point0: int,
    zero_point1: int,
    output_scale: float,
    output_zero_point: int,
    output_min: int | None = None,
    output_max: int | None = None,
) -> Any:
    """Add two int8 or int16 tensors of different scales in integer arithmetic.

    With `ratio_i = float32(scale_i / output_scale)`, `k = 20 - floor(log2(max(ratio_i)))` and
    `m_i = round(ratio_i * 2^k)`, computes `clamp(((x0 * m0 + x1 * m1 + 2^(k-1)) >> k) + zp)` on
    inputs minus their zero points, the arithmetic of XNNPACK's int8 addition. For int16, whose zero
    points are 0, it uses more than 32 bits.

    ```python
    x0, x1 = np.ones((2, 8), "int8"), np.ones((2, 8), "int8")
    y = kerasopt.ops.quantized_add(
        x0, x1, scale0=0.1, scale1=0.2, zero_point0=3, zero_point1=-7,
        output_scale=0.25, output_zero_point=0,
    )
    ```

    Args:
        x0: int8 or int16 tensor of any shape.
        x1: Tensor of the same dtype, of a shape that broadcasts with that of `x0`.
        scale0: Scale of `x0`, a Python number.
        scale1: Scale of `x1`, a Python number.
        zero_point0: Zero point of `x0`, an integer from -128 to 127; 0 for int16.
        zero_point1: Zero point of `x1`, the same.
        output_scale: Scale of the result.
        output_zero_point: Zero point of the result, the same.
        output_min: Smallest value of the result. Defaults to that of its dtype.
        output_max: Largest value of the result. Defaults to that of its dtype.

    Returns:
        Tensor of the same dtype and of the broadcast shape.

    Raises:
        ValueError: If a scale is not positive and finite, the larger scale over the output scale
            is outside `[2^-10, 2^8)`, where the sum does not fit into int32, or a zero point or an
            end of the range is outside its range.
        tf.errors.InvalidArgumentError: From the native op, if dtypes or shapes do not agree.
    """
    check_scales(scale0=scale0, scale1=scale1, output_scale=output_scale)
    dtype = integer_dtype(x0)
    zero_points = standardize_zero_points(
        dtype,
        zero_point0=zero_point0,
        zero_point1=zero_point1,
        output_zero_point=output_zero_point,
    )
    clamp = standardize_output_range(output_min, output_max, dtype)
    multipliers = _add_multipliers(scale0, scale1, output_scale)
    return call("quantized_add", x0, x1, **multipliers, **zero_points, **clamp)


def _add_multipliers(scale0: float, scale1: float, output_scale: float) -> dict[str, int]:
    ratios = [float(np.float32(scale) / np.float32(output_scale)) for scale in (scale0, scale1)]
    if not 2**-10 <= max(ratios) < 2**8:
        raise ValueError(
            "The larger of `scale0` and `scale1` over `output_scale` must be in [2^-10, 2^8). "
            f"Received: scale0={scale0}, scale1={scale1}, output_scale={output_scale}"
        )
    _, exponent = math.frexp(max(ratios))
    shift = 20 - (exponent - 1)
    multiplier0, multiplier1 = (round(ratio * 2.0**shift) for ratio in ratios)
    return {"multiplier0": multiplier0, "multiplier1": multiplier1, "shift": shift}


def quantized_multiply(
    x0: Any,
    x1: Any,
    *,
    scale0: float,
    scale1: float,
    zero_point0: int,
    zero_point1: int,
    output_scale: float,
    output_zero_point: int,
    output_min: int = -128,
    output_max: int = 127,
) -> Any:
    """Multiply two int8 tensors elementwise.

    Computes `clamp(round_half_even(float32((x0 - zero_point0) * (x1 - zero_point1)) * M) + zp)`
    with `M = float32(float32(scale0 * scale1) / output_scale)`.

    ```python
    x0, x1 = np.ones((2, 8), "int8"), np.ones((2, 8), "int8")
    y = kerasopt.ops.quantized_multiply(
        x0, x1, scale0=0.1, scale1=0.2, zero_point0=3, zero_point1=-7,
        output_scale=0.25, output_zero_point=0,
    )
    ```

    Args:
        x0: int8 tensor.
        x1: int8 tensor of a shape that broadcasts with that of `x0`.
        scale0: Scale of `x0`, a Python number.
        scale1: Scale of `x1`, a Python number.
        zero_point0: Zero point of `x0`, an integer from -128 to 127.
        zero_point1: Zero point of `x1`, an integer from -128 to 127.
        output_scale: Scale of the result.
        output_zero_point: Zero point of the result.
        output_min: Smallest value of the result.
        output_max: Largest value of the result.

    Returns:
        int8 tensor of the broadcast shape.

    Raises:
        ValueError: If a scale is not positive and finite, or a zero point is outside int8.
        tf.errors.InvalidArgumentError: From the native op, if dtypes or shapes do not agree.
    """
    zero_points = standardize_zero_points(
        zero_point0=zero_point0, zero_point1=zero_point1, output_zero_point=output_zero_point
    )
    clamp = standardize_output_range(output_min, output_max, "int8")
    multiplier = product_multiplier(scale0, scale1, output_scale)
    return call("quantized_multiply", x0, x1, multiplier=multiplier, **zero_points, **clamp)
