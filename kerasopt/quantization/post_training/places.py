"""Where channels of activations can be scaled without a change of what the model computes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import keras
import numpy as np

from kerasopt import graph
from kerasopt.graph import Edge, Graph, Node
from kerasopt.keras_internals.attention import KEY, QUERY, VALUE, is_plain
from kerasopt.keras_internals.layers import own_state
from kerasopt.quantization.arrays import to_float32
from kerasopt.quantization.states import values_kept

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

    These are the outputs of normalizations that scale their channels, of dense layers without an
    activation or with a ReLU, and of products with such an output, if only dense layers read them:
    query, key and value of an attention, or both halves of a gated feed-forward block.
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
    axes = graph.product_axes(layer)
    if axes is None:
        names = _vectors(node)
        return [(layer, name, 0) for name in names] if names and _scales(node, names) else None
    if graph.activation_bounds(layer) not in (_ANY, _POSITIVE):
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


def _vectors(node: Node) -> list[str]:
    """Returns the names of the weights of a layer if all are vectors over its channels."""
    layer: Any = node.operation
    if not isinstance(layer, keras.Layer) or len(node.inputs) != 1 or len(node.outputs) != 1:
        return []
    if not keras.backend.is_float_dtype(node.inputs[0].tensor.dtype):
        return []
    channels = (node.outputs[0].tensor.shape[-1],)
    names = [name for name, value in vars(layer).items() if isinstance(value, keras.Variable)]
    are_all = len(names) == len(layer.variables)
    return names if are_all and all(getattr(layer, x).shape == channels for x in names) else []


def _scales(node: Node, names: list[str]) -> bool:
    """Whether the output of a layer is multiplied if these weights are, by trying.

    So it is with layer normalization, and with the RMS normalizations that models bring along.
    """
    generator = np.random.default_rng(0)
    shape = [2 if size is None else size for size in node.inputs[0].tensor.shape]
    x = keras.ops.convert_to_tensor(generator.normal(size=shape).astype("float32"))
    before = to_float32(node.call([x])[0])
    factor = np.exp2(generator.integers(-2, 3, before.shape[-1])).astype("float32")
    with values_kept(own_state(node.operation)):
        for name in names:
            weight = getattr(node.operation, name)
            weight.assign(to_float32(weight) * factor)
        return bool(np.array_equal(to_float32(node.call([x])[0]), before * factor))


def _has_one_reader(node: Node) -> bool:
    return len(node.consumers) == 1 and not node.is_output
