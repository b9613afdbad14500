"""Layer normalization of int8 tensors."""

from typing import Any

from keras import ops

# Layer normalization rounds on a grid that is 2^16 times finer than int8's.
_FRACTION_BITS = 16
# The root of the sum of squares is a whole multiple of 2^-12.
_ROOT_BITS = 12


def quantized_layer_normalization(
    x: Any, gain: Any, offset: Any, *, epsilon: float, output_zero_point: int
) -> Any:
    """Normalizes an int8 tensor along its last axis.

    With `n` values less their mean rounded to an integer (`c`), their sum `s` and the sum of their
    squares less `s * s // n` (`v`), all in int32, computes

        t = round(float32(n * c - s) / float32(round(sqrt(v + epsilon) * 2^12)) * gain)
        q = clamp(((t + offset + 2^15) >> 16) + output_zero_point)

    Args:
        x: int8 tensor of shape `(..., n)`, with `n` of at most 32768. Its zero point has no effect.
        gain: float32 tensor of shape `(n,)`: gamma over the output's scale, times `2^28 / sqrt(n)`.
        offset: int32 tensor of shape `(n,)`: beta over the output's scale, times `2^16`.
        epsilon: What is added to the variance, times `n` and over the square of the input's scale.
        output_zero_point: Zero point of the result.

    Returns:
        int8 tensor of the shape of `x`.
    """
    size = x.shape[-1]
    x = ops.cast(x, "int32")
    total = ops.cast(ops.sum(x, axis=-1, keepdims=True), "float32")
    centred = x - ops.cast(ops.round(total * float(1 / size)), "int32")
    total = ops.sum(centred, axis=-1, keepdims=True)
    squares = ops.sum(centred * centred, axis=-1, keepdims=True) - (total * total) // size
    root = ops.sqrt(ops.cast(squares, "float32") + epsilon) * float(2**_ROOT_BITS)
    # Rounded to an integer: XLA turns a division by a root into a product with another function.
    root = ops.cast(ops.maximum(ops.cast(ops.round(root), "int32"), 1), "float32")
    values = ops.round(ops.cast(centred * size - total, "float32") / root * gain)
    values = ops.cast(ops.clip(values, -(2.0**24), 2.0**24), "int32") + offset
    q = ops.right_shift(values + 2 ** (_FRACTION_BITS - 1), _FRACTION_BITS)
    # What is far outside of int8 is clamped before the zero point is added.
    return ops.cast(ops.clip(ops.clip(q, -256, 255) + output_zero_point, -128, 127), "int8")
