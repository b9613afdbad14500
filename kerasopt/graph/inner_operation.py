"""The operations that the code of a layer calls, as layers of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import keras

from kerasopt.graph.operation_layer import OperationLayer
from kerasopt.keras_internals.calls import set_signature
from kerasopt.keras_internals.layers import held_layers, unlocked, untrack

PREFIX = "_operation_"


class InnerOperation(OperationLayer):
    """An operation that the code of a layer calls, which can have state.

    It is an attribute of that layer, by its key (`kerasopt.graph.opening.Places`). The operation
    itself is made anew in each call.
    """

    def __init__(self, key: str):
        super().__init__(_Uncalled(), name=key)
        self.key = key

    def become(self, operation: keras.Operation) -> None:
        """Sets the operation that is computed from now on."""
        object.__setattr__(self, "operation", operation)  # it is no state of the layer
        set_signature(self, operation.call)


class _Uncalled(keras.Operation):
    """Stands for an operation that has not been called yet."""

    def call(self, *args: Any, **kwargs: Any) -> Any:
        raise RuntimeError("The operation has not been called yet.")


def inner_operation(layer: Any, key: str) -> InnerOperation | None:
    """Returns the `InnerOperation` of a layer, or `None`."""
    return vars(layer).get(PREFIX + key)


def inner_operations(layer: Any) -> Iterator[InnerOperation]:
    """Yields the operations of a layer."""
    for value in vars(layer).values():
        if isinstance(value, InnerOperation):
            yield value


def add_inner_operation(layer: keras.Layer, key: str) -> InnerOperation:
    """Makes an operation that the code of a layer calls a layer of it."""
    found = inner_operation(layer, key)
    if found is None:
        found = InnerOperation(key)
        with unlocked(layer):
            setattr(layer, PREFIX + key, found)
        held_layers(layer).sort(key=lambda x: x.key if isinstance(x, InnerOperation) else "")
    return found


def remove_inner_operations(layer: keras.Layer) -> None:
    """Removes all operations of a layer."""
    for operation in list(inner_operations(layer)):
        untrack(layer, operation)
        del vars(layer)[PREFIX + operation.key]
