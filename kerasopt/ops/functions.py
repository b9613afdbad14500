"""Functions of int8 tensors: elementwise by a table, softmax, layer normalization."""

import math
from typing import Any

import numpy as np

from kerasopt.ops.dispatch import call
from kerasopt.ops.validation import standardize_zero_points

# Exponentials are multiples of 2^-24.
_EXPONENT_BITS = 24


def look_up(x: Any, table: Any) -> Any:
    """Apply an elementwise function to int8 values, by a lookup table.

    ```python
    table = np.arange(-128, 128).clip(0).astype("int8")  # ReLU at zero point 0
    y = kerasopt.ops.look_up(np.array([-5, 7], "int8"), table)  # [0, 7]
    ```

    Args:
        x: int8 tensor of any shape.
        table: int8 tensor of shape `(256,)`: the results for -128, -127, ...,
            127.

    Returns:
        int8 tensor of the shape of `x`.

    Raises:
        ValueError: If a dtype or the rank of `table` is wrong.
        tf.errors.InvalidArgumentError: The same from the native op.
    """
    return call("look_up", x, table)


def exponentials(scale: float) -> np.ndarray:
    """Return `round(exp(-scale * d) * 2^24)` for d from 0 to 255, as int32.

    ```python
    table = kerasopt.ops.exponentials(scale=0.1)
    table[0] / 2**24, table[10] / 2**24  # 1.0, 0.368: exp(0) and exp(-1)
    ```
    """
    steps = np.arange(256, dtype="float64")
    return np.rint(np.exp(-np.float64(scale) * steps) * 2**_EXPONENT_BITS).astype("int32")


def quantized_softmax(x: Any, table: Any) -> Any:
    """Softmax along the last axis of an int8 tensor, at scale 1/256 and zero point -128.

    With `e = table[max(x) - x]` in int32 and their sum, computes
    `min(round_half_even(256 * e / sum) - 128, 127)` in float32. The zero point of `x` has no
    effect.

    ```python
    x = np.array([[1, 2, 3]], "int8")
    y = kerasopt.ops.quantized_softmax(x, kerasopt.ops.exponentials(scale=0.1))
    ```

    Args:
        x: int8 tensor with at least one axis, and fewer than 2^19 values along the last one.
        table: int32 tensor of shape `(256,)`, from `exponentials`.

    Returns:
        int8 tensor of the shape of `x`.

    Raises:
        ValueError: If the dtype or the rank of `x` is wrong. tf.errors.InvalidArgumentError: The
        same from the native op, or if `table` does not contain exponentials.
    """
    return call("quantized_softmax", x, table)


def quantized_layer_normalization(
    x: Any, gain: Any, offset: Any, *, epsilon: float, output_zero_point: int
) -> Any:
    """Normalize an int8 tensor along its last axis.

    With `n` values less their mean rounded to an integer (`c`), their sum `s` and the sum of their
    squares less `s * s // n` (`v`), all in int32, computes

        r = clamp(round(sqrt(v + epsilon) * 2^12), 1, 2^30)
        t = round(float32(n * c - s) / float32(r) * gain)
        q = clamp(((t + offset + 2^15) >> 16) + output_zero_point)

    ```python
    n, scale, output_scale = 256, 0.05, 0.04
    x, gamma, beta = np.ones((2, n), "int8"), np.ones(n), np.zeros(n)
    y = kerasopt.ops.quantized_layer_normalization(
        x,
        gain=(gamma / output_scale * 2.0**28 / n**0.5).astype("float32"),
        offset=np.rint(beta / output_scale * 2.0**16).astype("int32"),
        epsilon=n * 1e-3 / scale**2,
        output_zero_point=3,
    )
    ```

    Args:
        x: int8 tensor of shape `(..., n)`, with `n` of at most 32768. Its zero point has no effect.
        gain: float32 tensor of shape `(n,)`: gamma over the output's scale, times `2^28 / sqrt(n)`.
        offset: int32 tensor of shape `(n,)`: beta over the output's scale, times `2^16`.
        epsilon: The number added to the variance, times `n`, divided by the square of the input's
            scale.
        output_zero_point: Zero point of the result.

    Returns:
        int8 tensor of the shape of `x`.

    Raises:
        ValueError: If `epsilon` is negative or not finite, or the zero point is outside int8.
        tf.errors.InvalidArgumentError: From the native op, if shapes do not agree, or `gain` is
            not finite.
    """
    zero_point = standardize_zero_points(output_zero_point=output_zero_point)
    if not (epsilon >= 0 and math.isfinite(epsilon)):
        raise ValueError(f"`epsilon` must be finite and non-negative. Received: epsilon={epsilon}")
    attributes = {"epsilon": float(epsilon), **zero_point}
    return call("quantized_layer_normalization", x, gain, offset, **attributes)
