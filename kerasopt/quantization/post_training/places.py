"""Where channels of activations can be scaled without a change of what the model computes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import keras
import numpy as np

from kerasopt import graph
from kerasopt.graph import Edge, Graph, Node
from kerasopt.keras_internals.attention import KEY, QUERY, VALUE, is_plain

_ANY, _POSITIVE = (-np.inf, np.inf), (0.0, np.inf)


class Reader(NamedTuple):
    """A layer that multiplies the channels of a tensor with the rows of its kernel.

    Attributes:
        node: The call that reads the tensor: of the layer, or of the attention that it is part of.
        edge: The edge that it reads.
        layer: The layer with the kernel.
        axis: The axis of the kernel that is summed over.
    """

    node: Node
    edge: Edge
    layer: Any
    axis: int


class Place(NamedTuple):
    """A tensor whose channels can be divided by factors, and the factors be undone by its readers.

    Attributes:
        divided: List of (layer, name of a weight, axis) that are divided along the axis.
        readers: List of `Reader`, whose kernels are multiplied.
        operations: List of the operations whose outputs are the tensor, or keep its values.
    """

    divided: list[tuple[Any, str, int]]
    readers: list[Reader]
    operations: list[keras.Operation]


def places(of: Graph) -> Iterator[Place]:
    """Yields the places in a graph.

    These are the outputs of layer and RMS normalizations, of dense layers without an activation or
    with a ReLU, and of products with such an output, if only dense layers read them: query, key and
    value of an attention, or the gate and the other half of a gated feed-forward block.
    """
    for node in of:
        divided = _divided(node, of)
        operations = [node.operation]
        readers = [] if divided is None else _readers(node, of, operations)
        if divided and readers:
            yield Place(divided, readers, operations)


def _divided(node: Node, of: Graph) -> list[tuple[Any, str, int]] | None:
    """Returns the weights to divide so that the output of a call is, or `None`."""
    layer: Any = node.operation
    if graph.is_product(layer, len(node.inputs)):
        shapes = {edge.tensor.shape[-1] for edge in node.inputs}
        sources = [edge.source for edge in node.inputs]
        if len(shapes) > 1 or sources[0] is sources[1]:
            return None
        # The last factor first: the other one is the activated gate.
        found = (_divided(each, of) for each in sources[::-1] if _has_one_reader(each))
        return next((each for each in found if each), None)
    if len(of.calls(layer)) > 1 or node.is_output:
        return None
    if isinstance(layer, keras.layers.LayerNormalization) and layer.scale:
        names = ("gamma", "beta") if layer.center else ("gamma",)
        return [(layer, name, 0) for name in names] if _is_of_last_axis(layer, node) else None
    if isinstance(layer, keras.layers.RMSNormalization):
        return [(layer, "scale", 0)] if _is_of_last_axis(layer, node) else None
    axes = graph.product_axes(layer)
    if axes is None or graph.activation_bounds(layer) not in (_ANY, _POSITIVE):
        return None
    if layer.kernel.shape[axes[1] :] != (node.outputs[0].tensor.shape[-1],) or axes[0] != 0:
        return None
    biases = [(layer, "bias", 0)] if layer.bias is not None else []
    return [(layer, "kernel", axes[1]), *biases]


def _readers(node: Node, of: Graph, operations: list[keras.Operation]) -> list[Reader]:
    """Returns all readers of the output of a call; none if one of them is no dense layer.

    Appends the operations to `operations` that only pass on what they read.
    """
    found: list[Reader] = []
    if node.is_output or len(node.outputs) > 1:
        return []
    (edge,) = node.outputs
    for reader in dict.fromkeys(node.consumers):
        if _keeps_factors(reader):
            operations.append(reader.operation)
            inner = _readers(reader, of, operations)
        else:
            inner = [Reader(reader, edge, *each) for each in _kernels(reader, edge, of)]
        if not inner:
            return []
        found += inner
    return found


def _kernels(node: Node, edge: Edge, of: Graph) -> list[tuple[Any, int]]:
    """Returns the layers, and axes of their kernels, that multiply a tensor in a call."""
    layer: Any = node.operation
    if len(of.calls(layer)) > 1:
        return []
    layers = [layer]
    if is_plain(layer, graph.own_class(layer)):
        given, edges = node.arguments, node.edges
        names = {
            QUERY: "query",
            VALUE: "value",
            KEY: "value" if given.get("key") is None else "key",
        }
        layers = [getattr(layer, k) for k, v in names.items() if edges[id(given[v])] == edge]
    found = []
    for each in layers:
        axes = graph.product_axes(each)
        if axes is None or axes[1] - axes[0] != 1:
            return []
        found.append((each, axes[0]))
    return found


def _keeps_factors(node: Node) -> bool:
    """Whether positive factors of the channels of its input pass through a call."""
    is_dropout = isinstance(node.operation, graph.TRAINING_ONLY)
    return is_dropout or graph.clamp_bounds(node.operation) == _POSITIVE


def _has_one_reader(node: Node) -> bool:
    return len(node.consumers) == 1 and not node.is_output


def _is_of_last_axis(layer: Any, node: Node) -> bool:
    axes = [layer.axis] if isinstance(layer.axis, int) else list(layer.axis)
    return axes in ([-1], [len(node.outputs[0].tensor.shape) - 1])
