"""Operators of TensorFlow in a frozen function, replaced by others that converters know."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import tensorflow as tf

# replace(operation, function) returns the tensor that takes the place of an operator's output;
# `None`: it stays.
Replacement = Callable[[Any, Any], Any]


def replaced(function: Any, replacements: Mapping[str, Replacement]) -> Any:
    """Returns a frozen function with other operators, which compute the same.

    Args:
        function: A concrete function without variables.
        replacements: What makes the tensors, by the names of operators.
    """
    graph = function.graph.as_graph_def()
    if {node.op for node in graph.node}.isdisjoint(replacements):
        return function
    names = [[tensor.name for tensor in end] for end in (function.inputs, function.outputs)]
    wrapped = tf.compat.v1.wrap_function(lambda: tf.import_graph_def(graph, name=""), [])
    for operation in wrapped.graph.get_operations():
        if operation.type in replacements:
            with wrapped.graph.as_default():
                new = replacements[operation.type](operation, wrapped)
            if new is not None:
                _redirect(operation, new)
    return wrapped.prune(*([wrapped.graph.get_tensor_by_name(n) for n in end] for end in names))


def _redirect(operation: Any, new: Any) -> None:
    """Lets all that reads the output of an operator read another tensor."""
    (old,) = operation.outputs
    readers = [(each, list(each.inputs)) for each in old.consumers()]
    for reader, inputs in readers:
        for place, tensor in enumerate(inputs):
            if tensor is old:
                reader._update_input(place, new)
