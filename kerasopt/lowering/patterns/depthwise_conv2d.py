"""DepthwiseConv2D, with batch normalization and ReLU, to `QuantizedDepthwiseConv2D`."""

from __future__ import annotations

from functools import partial
from typing import Any

import keras

from kerasopt.graph import Group
from kerasopt.layers.integer import QuantizedDepthwiseConv2D
from kerasopt.lowering.builder import Builder
from kerasopt.lowering.patterns.contraction import lower_contraction
from kerasopt.lowering.patterns.conv2d import window_of


def matches(group: Group) -> bool:
    return isinstance(group.anchor.operation, keras.layers.DepthwiseConv2D)


def lower(group: Group, builder: Builder) -> None:
    layer: Any = group.anchor.operation
    make = partial(
        QuantizedDepthwiseConv2D, depth_multiplier=layer.depth_multiplier, **window_of(layer)
    )
    value = lower_contraction(group, builder, make, columns=_one_channel_per_column)
    builder.put(group.output, value)


def _one_channel_per_column(kernel: Any) -> Any:
    """`(height, width, channels, multiplier)` to `(height, width, channels * multiplier)`."""
    return kernel.reshape(*kernel.shape[:2], -1)
