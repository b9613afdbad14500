"""EinsumDense to `QuantizedDense`, where it is one between reshapings."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import keras
import numpy as np

from kerasopt.graph import Group
from kerasopt.inference.integer.dense import QuantizedDense
from kerasopt.lowering.builder import Builder
from kerasopt.lowering.folding import fold
from kerasopt.lowering.patterns.axes import with_shape
from kerasopt.lowering.patterns.contraction import (
    Output,
    columns_of,
    finish,
    gain_and_offset,
    input_of,
    output_of,
    place,
)
from kerasopt.lowering.values import StaysFloat, Value


def matches(group: Group) -> bool:
    return isinstance(group.anchor.operation, keras.layers.EinsumDense)


def lower(group: Group, builder: Builder) -> None:
    value = input_of(group, builder)
    finish(group, builder, project(group, builder, value, output_of(group)))


def project(
    group: Group,
    builder: Builder,
    value: Value,
    output: Output,
    factor: float = 1.0,
    name: str = "",
) -> Value:
    """Lowers an EinsumDense, with its batch normalization and its clamp.

    Args:
        group: The group, its anchor the layer.
        builder: The `Builder`.
        value: The `Value` that it reads.
        output: What its output is rounded to.
        factor: A number that the output is multiplied with, before it is rounded.
        name: What to add to the layer's name.
    """
    layer: Any = group.anchor.operation
    flat, outputs, bias = as_dense(layer, value)
    columns = math.prod(outputs)
    kernel, scale = columns_of(layer, arrange=lambda array: array.reshape(-1, columns))
    gain, offset = gain_and_offset(group, columns, bias)
    assert value.affine is not None
    weights = fold(kernel, scale, gain * factor, offset * factor, value.affine, output.affine)
    made = place(group, builder, partial(QuantizedDense, columns), flat, output, weights, name)
    return reshaped(made, 1, outputs)


def as_dense(layer: Any, value: Value) -> tuple[Value, tuple[int, ...], np.ndarray | None]:
    """Returns what a dense layer in its place reads, the axes of its output, and its bias."""
    contracted = _contracted_axes(layer.equation)
    shape = tuple(layer.kernel.shape)
    inputs, outputs = shape[:contracted], shape[contracted:]
    return reshaped(value, contracted, (math.prod(inputs),)), outputs, _bias_of(layer, outputs)


def _contracted_axes(equation: str) -> int:
    """Returns how many axes are summed over: the last of the input, the first of the kernel."""
    inputs, rest = equation.replace(" ", "").replace("...", "").split(",")
    kernel, outputs = rest.split("->")
    count = sum(axis not in outputs for axis in kernel)
    free = inputs[: len(inputs) - count]
    if inputs[len(free) :] != kernel[:count] or outputs != free + kernel[count:] or not count:
        raise StaysFloat(f"the equation {equation!r} is not that of a dense layer")
    return count


def _bias_of(layer: Any, outputs: tuple[int, ...]) -> np.ndarray | None:
    if layer.bias is None:
        return None
    bias = keras.ops.convert_to_numpy(layer.bias)
    if bias.ndim > len(outputs):
        raise StaysFloat("its bias has other axes than the outputs of its kernel")
    return np.broadcast_to(bias, outputs).reshape(-1)


def reshaped(value: Value, axes: int, sizes: tuple[int, ...]) -> Value:
    """Replaces the last `axes` axes of a tensor by ones of the given sizes."""
    shape = value.tensor.shape
    if axes == len(sizes):
        return value
    kept = shape[1 : len(shape) - axes]
    return with_shape(value, (*kept, *sizes))
