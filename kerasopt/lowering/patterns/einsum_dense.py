"""EinsumDense to `QuantizedDense`, where it is one between reshapings."""

from __future__ import annotations

import math
from functools import partial
from typing import Any, NamedTuple

import keras
import numpy as np

from kerasopt.graph import Group, product_axes
from kerasopt.inference.integer.dense import QuantizedDense
from kerasopt.lowering.builder import Builder
from kerasopt.lowering.folding import fold
from kerasopt.lowering.patterns.axes import with_shape
from kerasopt.lowering.patterns.contraction import (
    Arrange,
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
    flat, outputs, bias, arrange = as_dense(layer, value)
    columns = math.prod(outputs)
    kernel, scale = columns_of(layer, arrange=arrange)
    gain, offset = gain_and_offset(group, columns, bias)
    assert value.affine is not None
    weights = fold(kernel, scale, gain * factor, offset * factor, value.affine, output.affine)
    made = place(group, builder, partial(QuantizedDense, columns), flat, output, weights, name)
    return reshaped(made, 1, outputs)


class AsDense(NamedTuple):
    """An EinsumDense as a dense layer between reshapings.

    Attributes:
        value: The `Value` that it reads.
        outputs: Tuple of integers, the axes of its output.
        bias: Array, or `None`.
        arrange: Brings a kernel into the layout of the dense layer's: a column for each output.
    """

    value: Value
    outputs: tuple[int, ...]
    bias: np.ndarray | None
    arrange: Arrange


def as_dense(layer: Any, value: Value) -> AsDense:
    """Returns what a dense layer in the place of an EinsumDense reads and has.

    Raises:
        StaysFloat: If there is none.
    """
    axes = product_axes(layer)
    if axes is None:
        raise StaysFloat(f"the equation {layer.equation!r} is not that of a dense layer")
    begin, end = axes
    shape = tuple(layer.kernel.shape)
    inputs, outputs = shape[begin:end], shape[:begin] + shape[end:]

    def arrange(kernel: np.ndarray) -> np.ndarray:
        summed_first = np.moveaxis(kernel, range(begin, end), range(end - begin))
        return summed_first.reshape(math.prod(inputs), math.prod(outputs))

    flat = reshaped(value, end - begin, (math.prod(inputs),))
    return AsDense(flat, outputs, _bias_of(layer, outputs), arrange)


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
