"""EinsumDense to `QuantizedDense`, where it is one between reshapings."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import keras
import numpy as np

from kerasopt.graph import Group
from kerasopt.layers.integer import QuantizedDense
from kerasopt.lowering.builder import Builder
from kerasopt.lowering.patterns.contraction import finish, input_of, lower_contraction
from kerasopt.lowering.values import StaysFloat, Value


def matches(group: Group) -> bool:
    return isinstance(group.anchor.operation, keras.layers.EinsumDense)


def lower(group: Group, builder: Builder) -> None:
    layer: Any = group.anchor.operation
    contracted = _contracted_axes(layer)
    value = input_of(group, builder)
    shape = tuple(layer.kernel.shape)
    inputs, outputs = shape[:contracted], shape[contracted:]
    flat = _reshaped(value, contracted, (math.prod(inputs),))
    result = lower_contraction(
        group,
        builder,
        partial(QuantizedDense, math.prod(outputs)),
        flat,
        arrange=lambda kernel: kernel.reshape(math.prod(inputs), -1),
        bias=_bias(layer, outputs),
    )
    finish(group, builder, _reshaped(result, 1, outputs))


def _contracted_axes(layer: Any) -> int:
    """Returns how many axes are summed over: the last of the input, the first of the kernel."""
    inputs, rest = layer.equation.replace(" ", "").replace("...", "").split(",")
    kernel, outputs = rest.split("->")
    count = sum(axis not in outputs for axis in kernel)
    free = inputs[: len(inputs) - count]
    if inputs[len(free) :] != kernel[:count] or outputs != free + kernel[count:] or not count:
        raise StaysFloat(f"the equation {layer.equation!r} is not that of a dense layer")
    return count


def _bias(layer: Any, outputs: tuple[int, ...]) -> np.ndarray | None:
    if layer.bias is None:
        return None
    bias = keras.ops.convert_to_numpy(layer.bias)
    if bias.ndim > len(outputs):
        raise StaysFloat("its bias has other axes than the outputs of its kernel")
    return np.broadcast_to(bias, outputs).reshape(-1)


def _reshaped(value: Value, axes: int, sizes: tuple[int, ...]) -> Value:
    """Replaces the last `axes` axes of a tensor by ones of the given sizes."""
    shape = value.tensor.shape
    if axes == len(sizes):
        return value
    kept = shape[1 : len(shape) - axes]
    if kept.count(None) > 1:
        raise StaysFloat("more than one of its axes has no known size")
    target = (*(-1 if size is None else size for size in kept), *sizes)
    return Value(keras.layers.Reshape(target, dtype="float32")(value.tensor), value.affine)
