"""Operations that no quantizer sees while the code of a layer runs."""

from __future__ import annotations

import keras

from kerasopt.graph.graph import Graph
from kerasopt.graph.node import Node
from kerasopt.graph.opening.backend_function import BackendFunction
from kerasopt.graph.opening.call import UNSEEN
from kerasopt.graph.operation_layer import unwrap


def unseen(graph: Graph) -> set[int]:
    """Returns the ids of the calls of operations that no quantizer sees when the model runs.

    Keras computes operations on weights alone at once. So it does with what is made of sizes, and
    with what functions of TensorFlow have returned, in the code of a layer.

    Args:
        graph: The `Graph` of a model.
    """
    constants: set[int] = set()
    for node in graph:
        if not node.is_input and all(id(edge.source) in constants for edge in node.inputs):
            constants.add(id(node))
    return {
        id(node)
        for node in graph
        if (id(node) in constants or _has_no_name(node)) and not _is_own_layer(node)
    }


def _has_no_name(node: Node) -> bool:
    is_of_backend = isinstance(unwrap(node.operation), BackendFunction)
    return is_of_backend or UNSEEN in (getattr(node.keras_node, "key", None) or "")


def _is_own_layer(node: Node) -> bool:
    """Whether a call is of a layer of the model, not of one made for an operation or in a call."""
    key = getattr(node.keras_node, "key", None)
    return isinstance(unwrap(node.operation), keras.Layer) and key is None
