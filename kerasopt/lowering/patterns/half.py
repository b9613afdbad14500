"""Dense and convolutions with weights of 16 bits, with batch normalization."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import keras
import numpy as np

from kerasopt.graph import Group
from kerasopt.inference.half import HalfConv2D, HalfDense
from kerasopt.lowering.builder import Builder
from kerasopt.lowering.patterns.contraction import (
    Arrange,
    finish_float,
    gain_and_offset,
    place_float,
)
from kerasopt.lowering.patterns.einsum_dense import as_dense, reshaped
from kerasopt.lowering.patterns.images import as_output, window_on
from kerasopt.lowering.values import StaysFloat, Value
from kerasopt.parametrization import find_link, read_until
from kerasopt.quantization import Cast

# Columns of a group are padded to 16. With fewer than these float32 takes fewer bytes.
_FEWEST_COLUMNS = 8


def matches(group: Group) -> bool:
    layer = group.anchor.operation
    kinds = (
        keras.layers.Dense,
        keras.layers.EinsumDense,
        keras.layers.Conv1D,
        keras.layers.Conv2D,
    )
    return isinstance(layer, kinds) and _cast(layer) is not None


def lower(group: Group, builder: Builder) -> None:
    layer: Any = group.anchor.operation
    (value,) = builder.inputs(group.anchor)
    value = builder.as_float(value)
    if isinstance(layer, keras.layers.Dense):
        result = _place(group, builder, value, HalfDense, layer.units)
    elif isinstance(layer, keras.layers.EinsumDense):
        value, outputs, bias, arrange = as_dense(layer, value)
        result = _place(group, builder, value, HalfDense, math.prod(outputs), bias, arrange)
        result = reshaped(result, 1, outputs)
    else:
        columns = layer.filters // layer.groups
        if columns < _FEWEST_COLUMNS and layer.groups > 1:
            raise StaysFloat(f"its groups have only {columns} filters each")
        image, window = window_on(layer, value)
        window["groups"] = layer.groups
        result = _place(group, builder, image, HalfConv2D, layer.filters, **window)
        result = as_output(layer, result, value)
    finish_float(group, builder, result)


def _place(
    group: Group,
    builder: Builder,
    value: Value,
    cls: Any,
    channels: int,
    bias: np.ndarray | None = None,
    arrange: Arrange = lambda kernel: kernel,
    **options: Any,
) -> Value:
    """Calls a layer of 16 bits with the kernel of a group on `value`."""
    layer: Any = group.anchor.operation
    quantizer = _cast(layer)
    assert quantizer is not None
    dtype = quantizer.format.dtype
    kernel = keras.ops.cast(read_until(layer, "kernel", quantizer), dtype)
    kernel = arrange(keras.ops.convert_to_numpy(kernel))
    make = partial(cls, channels, weight_format=dtype, **options)
    affine = gain_and_offset(group, channels, bias)
    return place_float(group, builder, make, value, kernel, 1.0, affine)


def _cast(layer: keras.Operation) -> Cast | None:
    """Returns what rounds the kernel of a layer to 16 bits, or `None`."""
    return find_link(layer, "kernel", Cast)
