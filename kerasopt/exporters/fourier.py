"""Fourier transforms by matrix products, where converters have no operators for them."""

from __future__ import annotations

import math
from typing import Any

import tensorflow as tf

# How many of the last axes they transform.
_TRANSFORMS = {"FFT": 1, "FFT2D": 2}

# The real and the imaginary part of a complex tensor.
Parts = tuple[Any, Any]


def real_part(operation: Any, function: Any) -> Any:
    """Returns the real part of transforms of tensors of known parts, else `None`."""
    parts = _parts(operation.inputs[0])
    return None if parts is None else parts[0]


def imaginary_part(operation: Any, function: Any) -> Any:
    """Returns the imaginary part of transforms of tensors of known parts, else `None`."""
    parts = _parts(operation.inputs[0])
    return None if parts is None else parts[1]


def _parts(tensor: Any) -> Parts | None:
    operation = tensor.op
    if tensor.dtype != tf.complex64 or operation.type not in ("Complex", *_TRANSFORMS):
        return None
    if operation.type == "Complex":
        return tuple(operation.inputs)
    parts = _parts(operation.inputs[0])
    if parts is not None:
        for axis in range(_TRANSFORMS[operation.type]):
            parts = _transformed(parts, axis)
    return parts


def _transformed(parts: Parts, axis: int) -> Parts:
    """Transforms the last axis (0), or the one before it (1).

    y[k] = sum(x[n] * exp(-2i * pi * k * n / size))
    """
    size = tf.shape(parts[0])[-1 - axis]
    places = tf.range(size)
    # The remainder keeps angles small, and so their sines exact.
    turns = places[:, None] * places[None, :] % size
    angles = tf.cast(turns, "float32") * (2 * math.pi) / tf.cast(size, "float32")
    cosine, sine = tf.cos(angles), tf.sin(angles)

    def product(x: Any, matrix: Any) -> Any:
        return tf.matmul(matrix, x) if axis else tf.matmul(x, matrix)

    real, imaginary = parts
    return (
        product(real, cosine) + product(imaginary, sine),
        product(imaginary, cosine) - product(real, sine),
    )
