"""Turns operations of models into layers, which can have state."""

from __future__ import annotations

from typing import Any

import keras

from kerasopt.graph.dot_product_attention import is_attention
from kerasopt.graph.graph import Graph
from kerasopt.graph.inner_operation import (
    InnerOperation,
    add_inner_operation,
    remove_inner_operations,
)
from kerasopt.graph.node import Node
from kerasopt.graph.operation_layer import OperationLayer
from kerasopt.graph.stepwise_operation import StepwiseOperation
from kerasopt.keras_internals.graphs import Functional, copied, keep_calls
from kerasopt.keras_internals.layers import flattened, held_layers, track


def wrap_operation(node: Node) -> OperationLayer:
    """Turns the operation of a node into an `OperationLayer`, in place.

    The operation object itself becomes the layer, under the same name, so every graph, node and
    tensor that refers to it, also in other models of the same graph, stays valid. The operations
    that the code of a layer calls exist only during the call: for them that layer gets an inner
    layer, which graphs read from now on contain. Compiled functions of the model become stale.

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
    key = getattr(node.keras_node, "key", None)
    if key is None or isinstance(node.operation, OperationLayer):
        return wrap_in(node.owner, node.operation)
    layer = add_inner_operation(node.owner, key)
    layer.become(node.operation)
    return layer


def wrap_in(functional: Any, operation: keras.Operation) -> OperationLayer:
    """Like `wrap_operation`, for an operation in the graph of a functional model."""
    if isinstance(operation, keras.Layer):
        return operation
    inner = copied(operation)
    _become(operation, OperationLayer(inner, name=inner.name))
    _track(functional, operation)
    return operation


def divide_operations(model: keras.Model) -> None:
    """Turns operations of functional models that consist of others into these, in place.

    `keras.ops.dot_product_attention` becomes two products of matrices with a softmax between
    them. Graphs read from now on contain them. Compiled functions of the model become stale.

    Args:
        model: A `keras.Model`.
    """
    for node in Graph.of(model):
        if isinstance(node.owner, Functional) and is_attention(node.operation):
            inner = copied(node.operation)
            _become(node.operation, StepwiseOperation(inner, name=inner.name))
            _track(node.owner, node.operation)


def unwrap_operations(model: keras.Model) -> None:
    """Turns every `OperationLayer` of a model back into an operation, undoing `wrap_operation`.

    The state of the layers is lost. Compiled functions of the model become stale.

    Args:
        model: A `keras.Model`.
    """
    for node in Graph.of(model):
        layer = node.operation
        if isinstance(layer, OperationLayer) and not isinstance(layer, InnerOperation):
            _unwrap(layer, node.owner)
    divided = []
    for layer in flattened(model):
        remove_inner_operations(layer)
        divided += [(x, layer) for x in held_layers(layer) if isinstance(x, StepwiseOperation)]
    for operation, owner in divided:
        _unwrap(operation, owner)


def _unwrap(layer: OperationLayer, owner: keras.Layer) -> None:
    held = held_layers(owner)
    held[:] = [x for x in held if x is not layer]
    _become(layer, layer.operation)


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
