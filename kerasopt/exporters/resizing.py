"""Resizing images by matrix products, where converters have no operator for the interpolation."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

# Attributes of these operators that are no dtypes.
_ATTRIBUTES = ("align_corners", "half_pixel_centers", "kernel_type", "antialias")


def resized_by_products(operation: Any, function: Any) -> Any:
    """Returns images of known sizes, resized by products with constants.

    LiteRT and ONNX have no Lanczos, no area and no antialiasing as TensorFlow has them, LiteRT no
    bicubic interpolation.

        y[b, i, j, c] = sum(rows[i, h] * columns[j, w] * x[b, h, w, c])

    Args:
        operation: An operator that is linear in the pixels, in each axis by itself.
        function: The function that it is in.
    """
    if None in operation.inputs[0].shape[1:3]:
        return None
    arguments = _arguments(operation, function)
    if arguments is None:
        return None
    x = tf.cast(operation.inputs[0], "float32")
    for axis in (1, 2):
        # A product is of the last axis: the images' rows, then their columns, are put there.
        order = [0, *({1, 2, 3} - {axis}), axis]
        x = tf.matmul(tf.transpose(x, order), _weights(operation, arguments, axis).T)
        x = tf.transpose(x, np.argsort(order))
    return x


def _arguments(operation: Any, wrapped: Any) -> list[np.ndarray] | None:
    """Returns the sizes and scales of a resize, if the size of its images is all they depend on."""
    images, *arguments = operation.inputs
    shape = [1 if size is None else size for size in images.shape]
    with tf.init_scope():
        try:
            found = wrapped.prune(images, arguments)(tf.zeros(shape, images.dtype))
        except ValueError:
            return None
        return [each.numpy() for each in found]


def _weights(operation: Any, arguments: list[np.ndarray], axis: int) -> np.ndarray:
    """Returns the weight of every pixel of an axis for each one of the result's."""
    size, *rest = (each[axis - 1] for each in arguments)
    before = operation.inputs[0].shape[axis]
    options = {
        key: operation.get_attr(key) for key in _ATTRIBUTES if key in operation.node_def.attr
    }
    if rest:
        # The other axis has one pixel, and keeps it.
        options |= {"scale": [rest[0], 1.0], "translation": [rest[1], 0.0]}
    with tf.init_scope():
        # Of an image of a column for each pixel the channels are the pixels.
        image = tf.eye(before)[None, :, None, :]
        resize = getattr(tf.raw_ops, operation.type)
        return resize(images=image, size=[size, 1], **options).numpy()[0, :, 0, :]
