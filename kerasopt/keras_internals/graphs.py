"""Recorded graphs: functional models and their calls."""

import contextlib
from collections.abc import Iterable, Iterator
from typing import Any

import keras
from keras.src.models.functional import Functional, functional_like_constructor
from keras.src.ops.operation_utils import broadcast_shapes

__all__ = [
    "Functional",
    "broadcast_shapes",
    "call_of",
    "calls_forgotten",
    "calls_in_order",
    "copied",
    "functional_in",
    "is_made_of_configs",
    "keep_calls",
    "producer",
    "set_dense",
    "standardized_inputs",
]


def functional_in(model: keras.Model) -> Functional | None:
    """Returns the functional model inside a `Sequential` model, or `None`."""
    return getattr(model, "_functional", None)


def is_made_of_configs(model: keras.Model) -> bool:
    """Whether a functional model is re-created from its inputs and outputs, not by custom code."""
    return isinstance(model, Functional) and functional_like_constructor(type(model))


def standardized_inputs(functional: Functional, data: Any) -> list[Any]:
    """Returns the input tensors of a functional model for given data, in flat order."""
    return functional._standardize_inputs(data)


def calls_in_order(functional: Functional) -> Iterator[Any]:
    """Yields the nodes (recorded calls) of a functional model in the order in which they run."""
    for depth in sorted(functional._nodes_by_depth, reverse=True):
        yield from functional._nodes_by_depth[depth]


def set_dense(tensor: Any) -> None:
    """Declares a symbolic tensor to be no sparse one."""
    if isinstance(tensor, keras.KerasTensor):
        tensor._sparse = False


def producer(tensor: keras.KerasTensor) -> keras.Operation:
    """Returns the operation that returned a symbolic tensor."""
    return tensor._keras_history.operation


def call_of(tensor: keras.KerasTensor) -> Any:
    """Returns the node of the call that returned a symbolic tensor."""
    return producer(tensor)._inbound_nodes[tensor._keras_history.node_index]


def operations_of(functional: Functional) -> list[keras.Operation]:
    """Returns the layers and operations that a functional model calls."""
    return functional._operations


def copied(operation: keras.Operation) -> keras.Operation:
    """Returns a copy of an operation that is no layer, with no place in any graph.

    (Python's `copy` writes a file, in memory, and loads it.)
    """
    made = object.__new__(type(operation))
    vars(made).update(vars(operation))
    made._inbound_nodes, made._outbound_nodes = [], []
    return made


@contextlib.contextmanager
def keep_calls(operation: keras.Operation) -> Iterator[None]:
    """Keeps the place of an operation in all graphs while it becomes another one."""
    inbound, outbound = operation._inbound_nodes, operation._outbound_nodes
    yield
    operation._inbound_nodes, operation._outbound_nodes = inbound, outbound


@contextlib.contextmanager
def calls_forgotten(operations: Iterable[keras.Operation]) -> Iterator[None]:
    """Makes operations forget the calls that are recorded inside the context."""
    lists = [nodes for x in operations for nodes in (x._inbound_nodes, x._outbound_nodes)]
    counts = [len(nodes) for nodes in lists]
    try:
        yield
    finally:
        for nodes, count in zip(lists, counts, strict=True):
            del nodes[count:]
