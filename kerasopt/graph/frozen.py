"""Finds the frozen layers of a model."""

import keras

from kerasopt.graph.graph import Graph
from kerasopt.graph.traversal import layers
from kerasopt.graph.weights import variables_of_weights
from kerasopt.keras_internals.layers import flattened


def frozen_layers(model: keras.Model) -> set[int]:
    """Returns the ids of the layers that training does not change.

    These are layers whose kernels or tables are not among `model.trainable_variables`, and layers
    without such weights that are in a frozen model or follow only frozen layers, such as the
    residual additions of a backbone.

    Args:
        model: A built `keras.Model`.
    """
    training = {id(variable) for variable in model.trainable_variables}
    trains = {
        id(layer): any(id(variable) in training for variable in weights)
        for _, layer in layers(model)
        if (weights := variables_of_weights(layer))
    }
    frozen = {number for number, training in trains.items() if not training}
    return frozen | _between(Graph.of(model), trains)


def _between(graph: Graph, trains: dict[int, bool]) -> set[int]:
    """Returns the ids of layers without weights that follow only frozen layers.

    Args:
        graph: The graph of the model.
        trains: Dict of the id of a layer with weights to whether they are
            trained.
    """
    behind: dict[int, bool] = {}  # calls that follow weights: whether any of those are trained
    found: dict[int, bool] = {}
    for node in graph:
        inner = flattened(node.operation) if node.is_layer else ()
        before = [trains[id(layer)] for layer in inner if id(layer) in trains] or [
            behind[id(edge.source)] and node.owner.trainable
            for edge in node.inputs
            if id(edge.source) in behind
        ]
        if before:
            behind[id(node)] = any(before)
            found[id(node.operation)] = found.get(id(node.operation), False) or any(before)
    return {number for number, training in found.items() if not training}
