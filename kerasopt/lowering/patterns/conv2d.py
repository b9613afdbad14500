"""Conv2D, with batch normalization and ReLU, to `QuantizedConv2D`."""

from __future__ import annotations

from functools import partial
from typing import Any

import keras

from kerasopt.graph import Group
from kerasopt.layers.integer import QuantizedConv2D
from kerasopt.lowering.builder import Builder
from kerasopt.lowering.patterns.contraction import lower_contraction
from kerasopt.lowering.values import StaysFloat


def matches(group: Group) -> bool:
    return isinstance(group.anchor.operation, keras.layers.Conv2D)


def lower(group: Group, builder: Builder) -> None:
    layer: Any = group.anchor.operation
    if layer.groups != 1:
        raise StaysFloat(f"convolutions with groups={layer.groups} have no integer form")
    make = partial(QuantizedConv2D, layer.filters, **window_of(layer))
    builder.put(group.output, lower_contraction(group, builder, make))


def window_of(layer: Any) -> dict[str, Any]:
    """Returns the arguments of a convolution's window."""
    if layer.data_format != "channels_last":
        raise StaysFloat("only data_format='channels_last' has an integer form")
    return {
        "kernel_size": layer.kernel_size,
        "strides": layer.strides,
        "padding": layer.padding,
        "dilation_rate": layer.dilation_rate,
    }
