"""Additive masks: large negative numbers that exclude positions from a softmax."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from kerasopt.graph.elementwise import softmax_axis
from kerasopt.graph.graph import Graph
from kerasopt.graph.node import Node
from kerasopt.graph.opening.sized_operation import SizedOperation
from kerasopt.graph.operation_layer import unwrap
from kerasopt.graph.operations import is_transparent, passes_on

# Numbers of at least this magnitude represent infinity: -1e4, -65504, -1e9.
_LARGE = 1e3
_WITH_CONSTANTS = frozenset("Add FullLike Maximum Minimum Multiply Subtract Where".split())
# These operations preserve large numbers.
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
# A sum before one of these may contain a mask of any origin: an input of the model, a custom layer.
_READERS = frozenset("Exp LogSoftmax Logsumexp Softmax".split())
# These read only the shape of a tensor.
_SHAPES = frozenset("FullLike OnesLike Shape ZerosLike".split())


def masked(graph: Graph) -> set[int]:
    """Returns the ids of the nodes that compute masks, or tensors with a mask added.

    Such values have no useful range: with -1e9 in it, all scores from -3 to 3 would become one
    integer. Masks are recognized by a large constant (`(1 - mask) * -1e9`,
    `where(mask, scores, -inf)`, a cached array) and followed through later operations. Sums are
    recognized by their reader, a softmax or its exponential.

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
            if is_sum or passes_on(node):
                read.add(id(node))
            if is_sum:
                found.add(id(node))
    return found


def is_masked(node: Node, masks: set[int]) -> bool:
    """Whether a call is one of `masked`, or the softmax of such values, or with a mask."""
    if softmax_axis(node.operation) is None:
        return id(node) in masks
    return len(node.inputs) > 1 or any(id(edge.source) in masks for edge in node.inputs)


def is_bookkeeping(node: Node) -> bool:
    """Whether a call only computes counts, indices or masks, not data.

    Its results are integers or booleans, or depend only on such values, or only on sizes.
    """
    if node.is_layer and node.operation.weights:
        return False
    dtype = node.keras_node.outputs[0].dtype
    if not keras.backend.is_float_dtype(dtype) or _kind(node) in _SHAPES:
        return True
    if isinstance(node.operation, SizedOperation) and node.operation.creates:
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
