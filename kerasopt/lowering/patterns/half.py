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
from kerasopt.lowering.folding import channel_affine
from kerasopt.lowering.patterns.contraction import finish_float
from kerasopt.lowering.patterns.einsum_dense import bias_of, contracted_axes, reshaped
from kerasopt.lowering.patterns.images import as_sequence, window_on
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
        result = _contract(group, builder, value, partial(HalfDense, layer.units))
    elif isinstance(layer, keras.layers.EinsumDense):
        contracted = contracted_axes(layer)
        shape = tuple(layer.kernel.shape)
        inputs, outputs = shape[:contracted], shape[contracted:]
        value = reshaped(value, contracted, (math.prod(inputs),))
        make = partial(HalfDense, math.prod(outputs))
        result = _contract(group, builder, value, make, bias_of(layer, outputs))
        result = reshaped(result, 1, outputs)
    else:
        columns = layer.filters // layer.groups
        if columns < _FEWEST_COLUMNS and layer.groups > 1:
            raise StaysFloat(f"its groups have only {columns} filters each")
        image, window = window_on(layer, value)
        make = partial(HalfConv2D, layer.filters, groups=layer.groups, **window)
        result = as_sequence(_contract(group, builder, image, make), value)
    finish_float(group, builder, result)


def _contract(
    group: Group, builder: Builder, value: Value, make: Any, bias: np.ndarray | None = None
) -> Value:
    """Calls a layer of 16 bits with the kernel of a group on `value`."""
    layer: Any = group.anchor.operation
    quantizer = _cast(layer)
    assert quantizer is not None
    dtype = quantizer.format.dtype
    kernel = keras.ops.cast(read_until(layer, "kernel", quantizer), dtype)
    made = builder.layer(group.anchor, "half", lambda name: make(weight_format=dtype, name=name))
    result = Value(made(value.tensor))
    normalization = group.batch_normalization
    gain, offset = channel_affine(
        layer, normalization and normalization.operation, made.packed.channels, bias
    )
    kernel = keras.ops.convert_to_numpy(kernel).reshape(made.packed.shape)
    made.set_floats(kernel, 1.0, gain, offset)
    return result


def _cast(layer: keras.Operation) -> Cast | None:
    """Returns what rounds the kernel of a layer to 16 bits, or `None`."""
    return find_link(layer, "kernel", Cast)
