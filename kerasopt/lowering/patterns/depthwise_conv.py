"""Depthwise convolutions, with batch normalization and ReLU, to `QuantizedDepthwiseConv2D`."""

from __future__ import annotations

from functools import partial
from typing import Any

import keras

from kerasopt.graph import Group
from kerasopt.inference.integer.convolutions import QuantizedDepthwiseConv2D
from kerasopt.lowering.builder import Builder
from kerasopt.lowering.patterns.contraction import finish, input_of, lower_contraction
from kerasopt.lowering.patterns.images import as_output, window_on


def matches(group: Group) -> bool:
    kinds = (keras.layers.DepthwiseConv1D, keras.layers.DepthwiseConv2D)
    return isinstance(group.anchor.operation, kinds)


def lower(group: Group, builder: Builder) -> None:
    layer: Any = group.anchor.operation
    value = input_of(group, builder)
    image, window = window_on(layer, value)
    make = partial(QuantizedDepthwiseConv2D, depth_multiplier=layer.depth_multiplier, **window)
    result = lower_contraction(group, builder, make, image, arrange=one_channel_per_column)
    finish(group, builder, as_output(layer, result, value))


def one_channel_per_column(kernel: Any) -> Any:
    """`(..., channels, multiplier)` to `(..., channels * multiplier)`."""
    return kernel.reshape(*kernel.shape[:-2], -1)
