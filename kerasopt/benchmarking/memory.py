"""How much memory a model needs: its variables, and the activations of a forward pass."""

import math

import keras

from kerasopt.benchmarking.weights import bits_of
from kerasopt.graph import Graph


def variable_bytes(model: keras.Model) -> int:
    """Returns the bytes of the model's variables as they lie in memory, masks and all."""
    return sum(_bytes(variable.shape, variable.dtype) for variable in model.variables)


def peak_activation_bytes(model: keras.Model) -> int | None:
    """Computes the peak of the memory for activations, for a batch of one.

    Counted from the graph: calls run in the graph's order, an output lives from its call until
    the last call that reads it, and every call has its inputs and outputs in memory at once.
    What a layer needs inside is not counted, and nothing is computed in place.

    Args:
        model: A `keras.Model`.

    Returns:
        Bytes; `None` if the model has no recorded graph (it is subclassed) or a dimension beside
        the batch's is not known.
    """
    graph = Graph.of(model)
    if not graph.nodes:
        return None
    place = {id(node): index for index, node in enumerate(graph)}
    # What comes to life at a call, less what died with the call before.
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
