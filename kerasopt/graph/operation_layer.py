"""Turns operations of functional models into layers, which can have state."""

from __future__ import annotations

import copy
from typing import Any

import keras

from kerasopt.graph.graph import Graph
from kerasopt.graph.node import Node
from kerasopt.keras_internals.calls import take_arguments_of
from kerasopt.keras_internals.graphs import forget_calls, keep_calls
from kerasopt.keras_internals.layers import held_layers, track


@keras.saving.register_keras_serializable(package="kerasopt")
class OperationLayer(keras.layers.Layer):
    """A layer that computes a Keras operation.

    `x + y` and `keras.ops.multiply(x, y)` are operations in a functional model, which cannot have
    variables. This layer computes the same, but can.

    Args:
        operation: The `keras.Operation` to compute. It must not be a layer.
        **kwargs: The arguments of `keras.layers.Layer`.

    Raises:
        TypeError: If `operation` is not an operation, or is a layer.
    """

    def __init__(self, operation: keras.Operation, **kwargs: Any):
        if not isinstance(operation, keras.Operation) or isinstance(operation, keras.Layer):
            raise TypeError(
                "`operation` must be a `keras.Operation` that is not a layer. Received: "
                f"operation={operation} (of type {type(operation).__name__})"
            )
        super().__init__(autocast=kwargs.pop("autocast", False), **kwargs)
        self.operation = operation
        # The arguments are those of the operation: constants included, tensors in any position.
        take_arguments_of(self, operation.call)

    def call(self, *args: Any, **kwargs: Any) -> Any:
        return self.operation.call(*args, **kwargs)

    def compute_output_spec(self, *args: Any, **kwargs: Any) -> Any:
        return self.operation.compute_output_spec(*args, **kwargs)

    @property
    def supports_masking(self) -> bool:
        return True  # like an operation: it accepts masked inputs and drops the mask

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> None:
        return None

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        config["operation"] = keras.saving.serialize_keras_object(self.operation)
        config["autocast"] = self.autocast
        return config

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> OperationLayer:
        config = dict(config)
        config["operation"] = keras.saving.deserialize_keras_object(config["operation"])
        return cls(**config)


def unwrap(operation: keras.Operation) -> keras.Operation:
    """Returns the operation inside an `OperationLayer`, or `operation` itself."""
    return operation.operation if isinstance(operation, OperationLayer) else operation


def wrap_operation(node: Node) -> OperationLayer:
    """Turns the operation of a node into an `OperationLayer`, in place.

    The operation object itself becomes the layer, under the same name, so every graph, node and
    tensor that refers to it, also in other models of the same graph, stays valid. Compiled
    functions of the model become stale.

    ```python
    node = next(node for node in Graph.of(model) if not node.is_layer)
    layer = wrap_operation(node)
    assert layer is node.operation and layer in node.owner.layers
    ```

    Args:
        node: A `Node` of the model's `Graph`.

    Returns:
        The layer. A node whose operation is already a layer is not changed.
    """
    return wrap_in(node.owner, node.operation)


def wrap_in(functional: Any, operation: keras.Operation) -> OperationLayer:
    """Like `wrap_operation`, for an operation in the graph of a functional model."""
    if isinstance(operation, keras.Layer):
        return operation
    inner = copy.copy(operation)
    forget_calls(inner)
    _become(operation, OperationLayer(inner, name=inner.name))
    _track(functional, operation)
    return operation


def unwrap_operations(model: keras.Model) -> None:
    """Turns every `OperationLayer` of a model back into an operation, undoing `wrap_operation`.

    The state of the layers is lost. Compiled functions of the model become stale.

    Args:
        model: A `keras.Model`.
    """
    for node in Graph.of(model):
        layer = node.operation
        if isinstance(layer, OperationLayer):
            inner = layer.operation
            held = held_layers(node.owner)
            held[:] = [x for x in held if x is not layer]
            _become(layer, inner)


def _become(operation: keras.Operation, other: keras.Operation) -> None:
    """Turns `operation` into `other`, except for its place in the graph."""
    with keep_calls(operation):
        operation.__class__ = type(other)
        # One state for both, since the `build` wrapper of `Layer.__new__` refers to `other`.
        object.__setattr__(operation, "__dict__", vars(other))


def _track(functional: Any, layer: keras.Layer) -> None:
    """Tracks `layer` at the position that it will have in a loaded copy of the model.

    Optimizers save their slots in the order of the variables, so the order must not depend on when
    the layer was wrapped. Other layers keep their order: a functional subclass has its layers in
    the order of the attributes set in `__init__`.
    """
    track(functional, layer)
    held = held_layers(functional)
    position = {id(x): i for i, x in enumerate(functional.layers)}
    others = held[:-1]
    later = [i for i, x in enumerate(others) if position.get(id(x), -1) > position[id(layer)]]
    held.insert(later[0] if later else len(others), held.pop())
