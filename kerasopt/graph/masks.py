"""Additive masks: large negative numbers that keep positions out of a softmax."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from kerasopt.graph.graph import Graph
from kerasopt.graph.node import Node
from kerasopt.graph.operation_layer import unwrap
from kerasopt.graph.operations import is_transparent

# From here on a number is no value of a network, but stands for infinity: -1e4, -65504, -1e9.
_LARGE = 1e3
_WITH_CONSTANTS = frozenset("Add FullLike Maximum Minimum Multiply Subtract Where".split())
# Through these a large number stays one.
_CARRIERS = frozenset(
    "Abs Add BroadcastTo Cast Concatenate Divide Maximum Minimum Multiply Negative Stack Subtract "
    "TrueDivide Where".split()
)
_CARRYING_LAYERS = (
    keras.layers.Add,
    keras.layers.Concatenate,
    keras.layers.Maximum,
    keras.layers.Minimum,
    keras.layers.Multiply,
    keras.layers.Rescaling,
    keras.layers.Subtract,
)
_SUMS = ("Add", "Subtract")
# A sum before one of these may have a mask in it that comes from anywhere: an input of the model,
# a layer of the user's.
_READERS = frozenset("Exp LogSoftmax Logsumexp Softmax".split())
# Of a tensor these read its shape.
_SHAPES = frozenset("FullLike OnesLike Shape ZerosLike".split())


def masked(graph: Graph) -> set[int]:
    """Returns the ids of the nodes whose values are those of a mask, or have one added to them.

    No range of such values is of use: -1e9 beside scores of -3 to 3 leaves them one integer. What
    reads them, a softmax, looks at their differences only. They are known by a large constant
    (`(1 - mask) * -1e9`, `where(mask, scores, -inf)`, a cached array) and by what computes with
    them further on, and sums by what reads them: a softmax, or its exponential.

    Args:
        graph: The `Graph` of a model.
    """
    found: set[int] = set()
    for node in graph:
        carried = any(id(edge.source) in found for edge in node.inputs)
        if _has_large_constant(node) or (carried and _carries(node)):
            found.add(id(node))
    read: set[int] = set()
    for node in reversed(graph.nodes):
        is_sum = _kind(node) in _SUMS
        if any(_reads_sums(reader) or id(reader) in read for reader in node.consumers):
            if is_sum or is_transparent(node.operation):
                read.add(id(node))
            if is_sum:
                found.add(id(node))
    return found


def is_bookkeeping(node: Node) -> bool:
    """Whether a call counts, indexes or makes a mask, and computes nothing of the data.

    That is one whose results are integers or booleans, or follow from such alone.
    """
    if node.is_layer and node.operation.weights:
        return False
    dtype = node.keras_node.outputs[0].dtype
    if not keras.backend.is_float_dtype(dtype) or _kind(node) in _SHAPES:
        return True
    return bool(node.inputs) and all(is_bookkeeping(edge.source) for edge in node.inputs)


def _has_large_constant(node: Node) -> bool:
    operation: Any = unwrap(node.operation)
    if isinstance(operation, keras.layers.Rescaling):
        return _is_large(operation.scale) or _is_large(operation.offset)
    if isinstance(operation, keras.Layer) or _kind(node) not in _WITH_CONSTANTS:
        return False
    arguments = node.keras_node.arguments
    values = keras.tree.flatten((arguments.args, arguments.kwargs))
    return any(_is_large(value) for value in values)


def _is_large(value: Any) -> bool:
    if isinstance(value, (keras.KerasTensor, str, bool)) or value is None:
        return False
    try:
        numbers = np.asarray(keras.ops.convert_to_numpy(value), "float64")
    except (TypeError, ValueError):
        return False
    return bool((np.abs(numbers) >= _LARGE).any())


def _carries(node: Node) -> bool:
    operation = unwrap(node.operation)
    if isinstance(operation, keras.Layer):
        return isinstance(operation, _CARRYING_LAYERS) or is_transparent(operation)
    return _kind(node) in _CARRIERS or is_transparent(operation)


def _reads_sums(node: Node) -> bool:
    operation: Any = unwrap(node.operation)
    if isinstance(operation, keras.layers.Activation):
        return getattr(operation.activation, "__name__", "") in ("softmax", "log_softmax", "exp")
    return _kind(node) in _READERS


def _kind(node: Node) -> str:
    return type(unwrap(node.operation)).__name__
