"""The memory of a model: its variables, and the activations of a forward pass."""

import math

import keras

from kerasopt.benchmarking.weights import bits_of
from kerasopt.graph import Graph


def variable_bytes(model: keras.Model) -> int:
    """Returns the bytes of the model's variables in memory, including masks."""
    return sum(_bytes(variable.shape, variable.dtype) for variable in model.variables)


def peak_activation_bytes(model: keras.Model) -> int | None:
    """Computes the peak memory of activations for a batch of one.

    Computed from the graph: calls run in the graph's order, an output lives from its call until the
    last call that reads it, and the inputs and outputs of a call are in memory at the same time.
    Memory inside layers is not counted, and nothing is computed in place.

    Args:
        model: A `keras.Model`.

    Returns:
        Bytes; `None` if the model has no recorded graph (it is subclassed) or a dimension other
        than the batch size is unknown.
    """
    graph = Graph.of(model)
    if not graph.nodes:
        return None
    place = {id(node): index for index, node in enumerate(graph)}
    # Outputs that come to life at a call, minus those that died with the previous one.
    change = [0] * (len(graph) + 1)
    for index, node in enumerate(graph):
        tensors = node.keras_node.outputs
        if any(None in tensor.shape[1:] for tensor in tensors):
            return None
        size = sum(_bytes(tensor.shape[1:], tensor.dtype) for tensor in tensors)
        last = max((place[id(consumer)] for consumer in node.consumers), default=index)
        change[index] += size
        change[len(graph) if node.is_output else last + 1] -= size
    live = peak = 0
    for amount in change:
        live += amount
        peak = max(peak, live)
    return peak


def _bytes(shape: tuple[int, ...], dtype: str) -> int:
    return math.ceil(math.prod(shape) * bits_of(dtype) / 8)
