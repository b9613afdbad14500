"""What convolutions and pooling of one dimension and of two have in common."""

from __future__ import annotations

from typing import Any

import keras

from kerasopt.inference import Affine
from kerasopt.keras_internals.graphs import call_of, producer
from kerasopt.lowering.values import StaysFloat, Value


def require_channels_last(layer: Any) -> None:
    """Raises `StaysFloat` for a layer whose channels are not the last axis."""
    if layer.data_format != "channels_last":
        raise StaysFloat("only data_format='channels_last' has an integer form")


def as_image(value: Value) -> Value:
    """Returns a sequence as an image of one row."""
    if len(value.tensor.shape) == 4:
        return value
    return Value(keras.ops.expand_dims(value.tensor, 1), value.affine)


def as_sequence(value: Value, like: Value) -> Value:
    """Returns an image of one row as a sequence again, if `like` is one."""
    if len(like.tensor.shape) == 4:
        return value
    return Value(keras.ops.squeeze(value.tensor, 1), value.affine)


def pair(sizes: Any) -> tuple[int, int]:
    """Returns sizes along a sequence as those along an image of one row."""
    sizes = (sizes,) if isinstance(sizes, int) else tuple(sizes)
    return (1, sizes[0]) if len(sizes) == 1 else (sizes[0], sizes[1])


def window_on(layer: Any, value: Value) -> tuple[Value, dict[str, Any]]:
    """Returns what a convolution reads as an image, and the arguments of its window.

    Zero padding before a convolution becomes padding of its own, and so does that of a causal one.
    """
    require_channels_last(layer)
    image, padding = as_image(value), layer.padding
    if padding == "causal":
        padding = (0, 0), ((layer.kernel_size[0] - 1) * layer.dilation_rate[0], 0)
    if padding == "valid":
        image, padding = _unpadded(image)
    window = {
        "kernel_size": pair(layer.kernel_size),
        "strides": pair(layer.strides),
        "padding": padding,
        "dilation_rate": pair(layer.dilation_rate),
    }
    return image, window


def _unpadded(image: Value) -> tuple[Value, Any]:
    """Returns an image before it was padded by `pad`, and the padding of its height and width."""
    tensor = image.tensor
    operation: Any = producer(tensor)
    is_pad = type(operation).__name__ == "Pad" and operation.mode == "constant"
    if not is_pad or image.affine is None or len(operation.pad_width) != 4:
        return image, "valid"
    batch, height, width, channels = operation.pad_width
    arguments = call_of(tensor).arguments
    is_zero_point = arguments.kwargs.get("constant_values") == image.affine.zero_point
    if not is_zero_point or any((*batch, *channels)):
        return image, "valid"
    return Value(arguments.args[0], image.affine), (tuple(height), tuple(width))


def pad(tensor: keras.KerasTensor, widths: list, affine: Affine | None) -> keras.KerasTensor:
    """Pads with the integer that represents 0.0."""
    assert affine is not None
    return keras.ops.pad(tensor, widths, constant_values=affine.zero_point)
