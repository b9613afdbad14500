"""Functions on int8 tensors: by a table, and softmax."""

from typing import Any

import numpy as np
from keras import ops

# Exponentials are whole multiples of 2^-24, added in two halves that int32 holds.
_EXPONENT_BITS = 24
_HALF_BITS = 12


def look_up(x: Any, table: Any) -> Any:
    """Replaces int8 values by those of a table: any function of a single value.

    ```python
    table = np.arange(-128, 128).clip(0).astype("int8")  # ReLU at zero point 0
    y = kerasopt.ops.look_up(x, table)
    ```

    Args:
        x: int8 tensor of any shape.
        table: int8 tensor of shape `(256,)`: what -128, -127, ..., 127 become.

    Returns:
        int8 tensor of the shape of `x`.
    """
    return ops.take(table, ops.cast(x, "int32") + 128)


def exponentials(scale: float) -> np.ndarray:
    """Returns `round(exp(-scale * d) * 2^24)` for d from 0 to 255, as int32."""
    steps = np.arange(256, dtype="float64")
    return np.rint(np.exp(-np.float64(scale) * steps) * 2**_EXPONENT_BITS).astype("int32")


def quantized_softmax(x: Any, table: Any) -> Any:
    """Softmax along the last axis of an int8 tensor, at scale 1/256 and zero point -128.

    With `e = table[max(x) - x]` in int32 and their sum, computes
    `min(round_half_even(256 * e / sum) - 128, 127)` in float32. The zero point of `x` has no
    effect.

    ```python
    y = kerasopt.ops.quantized_softmax(x, kerasopt.ops.exponentials(scale=0.1))
    ```

    Args:
        x: int8 tensor, of at least one axis.
        table: int32 tensor of shape `(256,)`, from `exponentials`.

    Returns:
        int8 tensor of the shape of `x`.
    """
    x = ops.cast(x, "int32")
    powers = ops.take(table, ops.max(x, axis=-1, keepdims=True) - x)
    high = ops.sum(ops.right_shift(powers, _HALF_BITS), axis=-1, keepdims=True)
    low = ops.sum(ops.bitwise_and(powers, 2**_HALF_BITS - 1), axis=-1, keepdims=True)
    # The product is exact, so contracting it and the sum changes nothing.
    total = ops.cast(high, "float32") * float(2**_HALF_BITS) + ops.cast(low, "float32")
    q = ops.round(ops.cast(powers, "float32") * 256.0 / total)
    return ops.cast(ops.minimum(ops.cast(q, "int32") - 128, 127), "int8")
