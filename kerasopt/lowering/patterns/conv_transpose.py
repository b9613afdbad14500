"""Transposed convolutions, with batch normalization and ReLU, to `QuantizedConv2DTranspose`."""

from __future__ import annotations

from functools import partial
from typing import Any

import keras
import numpy as np

from kerasopt.graph import Group
from kerasopt.inference.integer.conv2d_transpose import QuantizedConv2DTranspose
from kerasopt.lowering.builder import Builder
from kerasopt.lowering.patterns.contraction import finish, input_of, lower_contraction
from kerasopt.lowering.patterns.images import as_image, as_output, pair
from kerasopt.lowering.values import StaysFloat


def matches(group: Group) -> bool:
    kinds = (keras.layers.Conv1DTranspose, keras.layers.Conv2DTranspose)
    return isinstance(group.anchor.operation, kinds)


def lower(group: Group, builder: Builder) -> None:
    layer: Any = group.anchor.operation
    if set(pair(layer.dilation_rate)) != {1} or layer.output_padding is not None:
        raise StaysFloat("only without dilation_rate and output_padding it has an integer form")
    value = input_of(group, builder)
    make = partial(
        QuantizedConv2DTranspose,
        layer.filters,
        pair(layer.kernel_size),
        pair(layer.strides),
        layer.padding,
    )
    result = lower_contraction(
        group, builder, make, as_image(layer, value), arrange=_as_convolution
    )
    finish(group, builder, as_output(layer, result, value))


def _as_convolution(kernel: np.ndarray) -> np.ndarray:
    """`(..., filters, channels)` to `(..., channels, filters)`, flipped in height and width."""
    image = tuple(range(kernel.ndim - 2))
    return np.swapaxes(np.flip(kernel, image), -1, -2)
