"""Depthwise convolutions, with batch normalization and ReLU, to `QuantizedDepthwiseConv2D`."""

from __future__ import annotations

from functools import partial
from typing import Any

import keras

from kerasopt.graph import Group
from kerasopt.layers.integer import QuantizedDepthwiseConv2D
from kerasopt.lowering.builder import Builder
from kerasopt.lowering.patterns.contraction import finish, input_of, lower_contraction
from kerasopt.lowering.patterns.images import as_sequence, padded, window_of


def matches(group: Group) -> bool:
    kinds = (keras.layers.DepthwiseConv1D, keras.layers.DepthwiseConv2D)
    return isinstance(group.anchor.operation, kinds)


def lower(group: Group, builder: Builder) -> None:
    layer: Any = group.anchor.operation
    make = partial(
        QuantizedDepthwiseConv2D, depth_multiplier=layer.depth_multiplier, **window_of(layer)
    )
    value = input_of(group, builder)
    result = lower_contraction(
        group, builder, make, padded(layer, value), arrange=one_channel_per_column
    )
    finish(group, builder, as_sequence(result, value))


def one_channel_per_column(kernel: Any) -> Any:
    """`(..., channels, multiplier)` to `(..., channels * multiplier)`."""
    return kernel.reshape(*kernel.shape[:-2], -1)
