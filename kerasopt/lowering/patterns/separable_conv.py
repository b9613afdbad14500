"""Separable convolutions to `QuantizedDepthwiseConv2D` and `QuantizedConv2D`."""

from __future__ import annotations

from functools import partial
from typing import Any

import keras
import numpy as np

from kerasopt.graph import Group
from kerasopt.inference.integer.convolutions import QuantizedConv2D, QuantizedDepthwiseConv2D
from kerasopt.lowering.builder import Builder
from kerasopt.lowering.folding import fold
from kerasopt.lowering.patterns.contraction import (
    Output,
    columns_of,
    finish,
    input_of,
    lower_contraction,
    place,
)
from kerasopt.lowering.patterns.depthwise_conv import one_channel_per_column
from kerasopt.lowering.patterns.images import as_output, window_on
from kerasopt.lowering.quantizers import affine_of
from kerasopt.lowering.values import StaysFloat


def matches(group: Group) -> bool:
    kinds = (keras.layers.SeparableConv1D, keras.layers.SeparableConv2D)
    return isinstance(group.anchor.operation, kinds)


def lower(group: Group, builder: Builder) -> None:
    layer: Any = group.anchor.operation
    value, between = input_of(group, builder), affine_of(layer, "between")
    if between is None or value.affine is None:
        raise StaysFloat("the tensor between its two convolutions has no quantizer")
    image, window = window_on(layer, value)
    depthwise = partial(QuantizedDepthwiseConv2D, depth_multiplier=layer.depth_multiplier, **window)
    kernel, scale = columns_of(layer, "depthwise_kernel", one_channel_per_column)
    ones, zeros = np.ones(kernel.shape[-1]), np.zeros(kernel.shape[-1])
    weights = fold(kernel, scale, ones, zeros, value.affine, between)
    middle = place(group, builder, depthwise, image, Output(between), weights, "_depthwise")
    pointwise = partial(QuantizedConv2D, layer.filters, 1)
    result = lower_contraction(group, builder, pointwise, middle, slot="pointwise_kernel")
    finish(group, builder, as_output(layer, result, value))
