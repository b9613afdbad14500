"""Dense and convolutions of signs and binary weights, with batch normalization."""

from __future__ import annotations

from functools import partial
from typing import Any

import keras
import numpy as np

from kerasopt.graph import Group
from kerasopt.inference.binary import BinaryConv2D, BinaryDense
from kerasopt.lowering.builder import Builder
from kerasopt.lowering.patterns.contraction import (
    columns_of,
    finish_float,
    gain_and_offset,
    place_float,
)
from kerasopt.lowering.patterns.images import as_image, as_output, window_on
from kerasopt.lowering.quantizers import reads_signs
from kerasopt.lowering.values import StaysFloat

# A larger bias, in multiples of the scale, would be clamped, and more products leave int32 with it.
_LARGEST_BIAS = 2.0**18
# Latent weights are exactly zero by chance, a few of many millions, or because they are pruned.
_MOST_ZEROS = 1e-4


def matches(group: Group) -> bool:
    kinds = (keras.layers.Dense, keras.layers.Conv1D, keras.layers.Conv2D)
    return isinstance(group.anchor.operation, kinds) and reads_signs(group.anchor)


def lower(group: Group, builder: Builder) -> None:
    layer: Any = group.anchor.operation
    (value,) = builder.inputs(group.anchor)
    value = builder.as_float(value)
    kernel, scale = columns_of(layer)
    if (kernel == 0).mean() > _MOST_ZEROS:
        raise StaysFloat("its weights are not all -1 and 1: binary ones have no zero")
    kernel = np.where(kernel == 0, 1.0, kernel)
    if kernel[..., 0].size >= _LARGEST_BIAS:
        raise StaysFloat(f"a sum of {kernel[..., 0].size} products may leave int32")
    gain, offset = gain_and_offset(group, kernel.shape[-1])
    if (abs(offset) >= _LARGEST_BIAS * scale * abs(gain)).any():
        raise StaysFloat("a bias is too large beside the scale of its weights")
    image = value
    if isinstance(layer, keras.layers.Dense):
        make: Any = partial(BinaryDense, layer.units)
    else:
        if layer.groups > 1:
            raise StaysFloat("groups of channels have no binary form")
        image, window = window_on(layer, value)
        if layer.padding == "valid" and window["padding"] != "valid":
            # The sign of what a layer before has padded is 1: not what this one pads.
            image, window = as_image(layer, value), {**window, "padding": "valid"}
        make = partial(BinaryConv2D, layer.filters, **window)
    result = place_float(group, builder, make, image, kernel, scale, (gain, offset))
    if image is not value:
        result = as_output(layer, result, value)
    finish_float(group, builder, result)
