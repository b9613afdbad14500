"""Resizing images by matrix products, where converters have no operator for the interpolation."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

# Linear in the pixels, and each axis by itself.
_KINDS = ("ResizeArea", "ResizeBicubic", "ScaleAndTranslate")
# Attributes of them that are no dtypes.
_ATTRIBUTES = ("align_corners", "half_pixel_centers", "kernel_type", "antialias")


def resized_by_products(function: Any) -> Any:
    """Returns a frozen function that resizes images of known sizes by products with constants.

    LiteRT and ONNX have no Lanczos, no area and no antialiasing as TensorFlow has them, LiteRT no
    bicubic interpolation.

        y[b, i, j, c] = sum(rows[i, h] * columns[j, w] * x[b, h, w, c])

    Args:
        function: A concrete function without variables.
    """
    graph = function.graph.as_graph_def()
    if {node.op for node in graph.node}.isdisjoint(_KINDS):
        return function
    names = [[tensor.name for tensor in end] for end in (function.inputs, function.outputs)]
    wrapped = tf.compat.v1.wrap_function(lambda: tf.import_graph_def(graph, name=""), [])
    for operation in wrapped.graph.get_operations():
        if operation.type in _KINDS and None not in operation.inputs[0].shape[1:3]:
            arguments = _arguments(operation, wrapped)
            if arguments is not None:
                with wrapped.graph.as_default():
                    _replace(operation, arguments)
    return wrapped.prune(*([wrapped.graph.get_tensor_by_name(n) for n in end] for end in names))


def _arguments(operation: Any, wrapped: Any) -> list[np.ndarray] | None:
    """Returns the sizes and scales of a resize, if the size of its images is all they depend on."""
    images, *arguments = operation.inputs
    shape = [1 if size is None else size for size in images.shape]
    try:
        return [
            each.numpy() for each in wrapped.prune(images, arguments)(tf.zeros(shape, images.dtype))
        ]
    except ValueError:
        return None


def _replace(operation: Any, arguments: list[np.ndarray]) -> None:
    (old,) = operation.outputs
    readers = [(each, list(each.inputs)) for each in old.consumers()]
    x = tf.cast(operation.inputs[0], "float32")
    for axis in (1, 2):
        # A product is of the last axis: the images' rows, then their columns, are put there.
        order = [0, *({1, 2, 3} - {axis}), axis]
        x = tf.matmul(tf.transpose(x, order), _weights(operation, arguments, axis).T)
        x = tf.transpose(x, np.argsort(order))
    for reader, inputs in readers:
        for place, tensor in enumerate(inputs):
            if tensor is old:
                reader._update_input(place, x)


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
