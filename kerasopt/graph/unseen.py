"""Operations that no quantizer sees while the code of a layer runs."""

from __future__ import annotations

import keras

from kerasopt.graph.graph import Graph
from kerasopt.graph.node import Node
from kerasopt.graph.opening.backend_function import BackendFunction
from kerasopt.graph.operation_layer import unwrap


def unseen(graph: Graph) -> set[int]:
    """Returns the ids of the calls of operations on nothing but tensors of the backend.

    Keras computes operations on weights alone at once. So it does with what functions of
    TensorFlow have returned in the same code.

    Args:
        graph: The `Graph` of a model.
    """
    constants: set[int] = set()
    returned: set[int] = set()
    for node in graph:
        sources = [edge.source for edge in node.inputs]
        of_code = [x for x in sources if id(x) in returned and x.owner is node.owner]
        if not node.is_input and all(id(x) in constants for x in sources):
            constants.add(id(node))
        elif isinstance(unwrap(node.operation), BackendFunction) or (
            of_code and all(x in of_code or id(x) in constants for x in sources)
        ):
            returned.add(id(node))
    found = constants | returned
    return {id(node) for node in graph if id(node) in found and not _is_own_layer(node)}


def _is_own_layer(node: Node) -> bool:
    """Whether a call is of a layer of the model, not of one made for an operation or in a call."""
    key = getattr(node.keras_node, "key", None)
    return isinstance(unwrap(node.operation), keras.Layer) and key is None
