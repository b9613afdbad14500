"""Convolutions, with batch normalization and ReLU, to `QuantizedConv2D`."""

from __future__ import annotations

from functools import partial
from typing import Any

import keras

from kerasopt.graph import Group
from kerasopt.inference.integer.convolutions import QuantizedConv2D, QuantizedDepthwiseConv2D
from kerasopt.lowering.builder import Builder
from kerasopt.lowering.patterns.contraction import finish, input_of, lower_contraction
from kerasopt.lowering.patterns.images import as_output, window_on


def matches(group: Group) -> bool:
    return isinstance(group.anchor.operation, (keras.layers.Conv1D, keras.layers.Conv2D))


def lower(group: Group, builder: Builder) -> None:
    layer: Any = group.anchor.operation
    value = input_of(group, builder)
    image, window = window_on(layer, value)
    if 1 < layer.groups == image.tensor.shape[-1]:
        # Every channel by itself: the kernel is that of a depthwise convolution.
        multiplier = layer.filters // layer.groups
        make = partial(QuantizedDepthwiseConv2D, depth_multiplier=multiplier, **window)
    else:
        make = partial(QuantizedConv2D, layer.filters, groups=layer.groups, **window)
    result = lower_contraction(group, builder, make, image)
    finish(group, builder, as_output(layer, result, value))
