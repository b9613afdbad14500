"""What convolutions and pooling of one dimension and of two have in common."""

from __future__ import annotations

from typing import Any

import keras

from kerasopt.inference import Affine
from kerasopt.keras_internals.graphs import call_of, producer
from kerasopt.lowering.patterns.axes import permuted
from kerasopt.lowering.values import Value

_LAST = "_channels_last"


def as_image(layer: Any, value: Value) -> Value:
    """Returns what a layer reads as an image, channels last; a sequence is an image of one row."""
    if has_channels_first(layer):
        value = permuted(value, (*range(2, len(value.tensor.shape)), 1))
    if len(value.tensor.shape) == 4:
        return value
    return Value(keras.ops.expand_dims(value.tensor, 1), value.affine)


def as_output(layer: Any, image: Value, read: Value) -> Value:
    """Returns an image as what the layer returns: as what it read, which is a sequence or not."""
    rank = len(read.tensor.shape)
    value = image if rank == 4 else Value(keras.ops.squeeze(image.tensor, 1), image.affine)
    if not has_channels_first(layer):
        return value
    return permuted(value, (rank - 1, *range(1, rank - 1)), _name_of(producer(image.tensor)))


def _name_of(made: keras.Operation) -> str | None:
    """Takes the name from what computes with the channels last; `None` if it has lost it before."""
    name = made.name
    if name.endswith(_LAST):
        return None
    made.name = name + _LAST
    return name


def has_channels_first(layer: Any) -> bool:
    """Whether the channels are the first axis of an example, not the last one."""
    return layer.data_format == "channels_first"


def pair(sizes: Any) -> tuple[int, int]:
    """Returns sizes along a sequence as those along an image of one row."""
    sizes = (sizes,) if isinstance(sizes, int) else tuple(sizes)
    return (1, sizes[0]) if len(sizes) == 1 else (sizes[0], sizes[1])


def window_on(layer: Any, value: Value) -> tuple[Value, dict[str, Any]]:
    """Returns what a convolution reads as an image, and the arguments of its window.

    Zero padding before a convolution becomes padding of its own, and so does that of a causal one.
    """
    image, padding = as_image(layer, value), layer.padding
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
