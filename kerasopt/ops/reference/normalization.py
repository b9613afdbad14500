"""Layer normalization of int8 tensors."""

from typing import Any

from keras import ops

from kerasopt.ops.validation import check_tensor

# Layer normalization rounds on a grid 2^16 times finer than that of int8.
_FRACTION_BITS = 16
# The root of the sum of squares is a multiple of 2^-12.
_ROOT_BITS = 12
# Fits into int32.
_LARGEST_ROOT = 2.0**30


def quantized_layer_normalization(
    x: Any, gain: Any, offset: Any, *, epsilon: float, output_zero_point: int
) -> Any:
    """Reference of `kerasopt.ops.quantized_layer_normalization`."""
    check_tensor("x", x, "int8", max(len(x.shape), 1))
    check_tensor("gain", gain, "float32", 1)
    check_tensor("offset", offset, "int32", 1)
    size = x.shape[-1] or 1  # unused for empty rows
    x = ops.cast(x, "int32")
    total = ops.cast(ops.sum(x, axis=-1, keepdims=True), "float32")
    centred = x - ops.cast(ops.round(total * float(1 / size)), "int32")
    total = ops.sum(centred, axis=-1, keepdims=True)
    squares = ops.sum(centred * centred, axis=-1, keepdims=True) - (total * total) // size
    root = ops.sqrt(ops.cast(squares, "float32") + epsilon) * float(2**_ROOT_BITS)
    # Rounded to an integer, since XLA replaces a division by a root with another function.
    root = ops.cast(ops.minimum(ops.round(root), _LARGEST_ROOT), "int32")
    root = ops.cast(ops.maximum(root, 1), "float32")
    values = ops.round(ops.cast(centred * size - total, "float32") / root * gain)
    values = ops.cast(ops.clip(values, -(2.0**24), 2.0**24), "int32") + offset
    q = ops.right_shift(values + 2 ** (_FRACTION_BITS - 1), _FRACTION_BITS)
    # Values far outside of int8 are clamped before the zero point is added.
    return ops.cast(ops.clip(ops.clip(q, -256, 255) + output_zero_point, -128, 127), "int8")
