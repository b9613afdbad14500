"""What convolutions and pooling of one dimension and of two have in common."""

from __future__ import annotations

from typing import Any

import keras

from kerasopt.layers.integer import Affine
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


def window_of(layer: Any) -> dict[str, Any]:
    """Returns the arguments of a convolution's window."""
    require_channels_last(layer)
    return {
        "kernel_size": pair(layer.kernel_size),
        "strides": pair(layer.strides),
        "padding": "valid" if layer.padding == "causal" else layer.padding,
        "dilation_rate": pair(layer.dilation_rate),
    }


def padded(layer: Any, value: Value) -> Value:
    """Returns an image as a convolution reads it: padded to the left if that is causal."""
    image = as_image(value)
    if layer.padding != "causal":
        return image
    left = (layer.kernel_size[0] - 1) * layer.dilation_rate[0]
    return Value(pad(image.tensor, [(0, 0), (0, 0), (left, 0), (0, 0)], value.affine), value.affine)


def pad(tensor: keras.KerasTensor, widths: list, affine: Affine | None) -> keras.KerasTensor:
    """Pads with the int8 value that stands for 0.0."""
    assert affine is not None
    return keras.ops.pad(tensor, widths, constant_values=affine.zero_point)
