"""Elementwise functions, and softmax."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from onnx import TensorProto

# function(writer, node, x, layer) adds operators on the float tensor x; returns the result's name.
Function = Callable[[Any, Any, str, Any], str]


def softmax(node: Any, writer: Any) -> None:
    (edge,) = node.inputs
    writer.add(node, "Softmax", [writer.tensors.real(edge)], axis=-1)


def activation(node: Any, writer: Any) -> None:
    layer = node.operation
    (edge,) = node.inputs
    first = writer.tensors.is_first(edge)
    if not all(_name(function) in _FUNCTIONS for function in layer.functions):
        _look_up(node, writer, edge, first)
        return
    x = writer.tensors.real(edge, first)
    for function in layer.functions:
        x = _FUNCTIONS[_name(function)](writer, node, x, function)
    writer.round(node, x, first)


def _look_up(node: Any, writer: Any, edge: Any, first: bool) -> None:
    """Takes the results from the layer's table, where ONNX does not know the function."""
    graph, layer = writer.graph, node.operation
    table = graph.constant(writer.name(node, "table"), keras.ops.convert_to_numpy(layer.table))
    offset = graph.constant(writer.name(node, "offset"), np.int32(128))
    x = graph.add(
        "Cast", [writer.tensors.name(edge, first)], writer.name(node, "code"), to=TensorProto.INT32
    )
    x = graph.add("Add", [x, offset], writer.name(node, "index"))
    writer.put(
        node, lambda output: graph.add("Gather", [table, x], output), layer.output_affine, first
    )


def _operator(kind: str, **attributes: Any) -> Function:
    def add(writer, node, x, layer):
        return writer.graph.add(kind, [x], writer.name(node, kind.lower()), **attributes)

    return add


def _silu(writer, node, x, layer):
    gate = writer.graph.add("Sigmoid", [x], writer.name(node, "gate"))
    return writer.graph.add("Mul", [x, gate], writer.name(node, "gated"))


def _rescaling(writer, node, x, layer):
    scale, offset = (
        writer.graph.constant(writer.name(node, "number"), np.float32(number))
        for number in (layer.scale, layer.offset)
    )
    x = writer.graph.add("Mul", [x, scale], writer.name(node, "scaled"))
    return writer.graph.add("Add", [x, offset], writer.name(node, "moved"))


def _leaky_relu(writer, node, x, layer):
    name = writer.name(node, "leaky")
    return writer.graph.add("LeakyRelu", [x], name, alpha=layer.negative_slope)


_FUNCTIONS: dict[str, Function] = {
    "LeakyReLU": _leaky_relu,
    "Rescaling": _rescaling,
    "elu": _operator("Elu"),
    "gelu": _operator("Gelu"),
    "hard_sigmoid": _operator("HardSigmoid", alpha=1 / 6, beta=0.5),
    "hard_silu": _operator("HardSwish"),
    "relu": _operator("Relu"),
    "sigmoid": _operator("Sigmoid"),
    "silu": _silu,
    "softplus": _operator("Softplus"),
    "tanh": _operator("Tanh"),
}


def _name(function: Any) -> str:
    if isinstance(function, keras.layers.Activation):
        return function.activation.__name__
    return type(function).__name__
