"""A float model and its quantized copy, run side by side."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import keras
from keras.src.models.functional import operation_fn

from kerasopt import graph
from kerasopt.graph import Edge, Graph, Node


class Step(NamedTuple):
    """A call of a layer in both models, with what it receives.

    Attributes:
        float_node: The `Node` of the float model.
        node: That of the quantized model.
        float_inputs: List of the float model's input of each batch: a list of tensors.
        inputs: The same of the quantized model.
    """

    float_node: Node
    node: Node
    float_inputs: list[list[Any]]
    inputs: list[list[Any]]


def walk(model: keras.Model, quantized: keras.Model, batches: Iterable) -> Iterator[Step]:
    """Yields every call of two models with the same graph, before it is computed.

    What the caller changes of the layer at hand is in what the layers after it receive. So a
    quantized layer can be corrected for all that was rounded before it.

    Args:
        model: A functional or Sequential model.
        quantized: Its copy.
        batches: Inputs of the model, as its `call` takes them.
    """
    batches = list(batches)
    ways = [_Way(each, batches) for each in (model, quantized)]
    for nodes in zip(*(way.graph for way in ways), strict=True):
        if nodes[0].is_input:
            continue
        received = [way.inputs(node) for way, node in zip(ways, nodes, strict=True)]
        yield Step(*nodes, *received)
        for way, node, inputs in zip(ways, nodes, received, strict=True):
            way.compute(node, inputs)


class _Way:
    """The tensors of one model, for as long as they are needed."""

    def __init__(self, model, batches):
        self._model = model
        self.graph = Graph.of(model)
        self._values: dict[tuple[int, int], list] = {}
        self._readers: dict[int, int] = {}
        functional = graph.functional_of(model)
        assert functional is not None
        inputs = {id(node.keras_node.outputs[0]): node for node in self.graph if node.is_input}
        flat = [functional._standardize_inputs(batch) for batch in batches]
        for position, tensor in enumerate(functional.inputs):
            self._put(inputs[id(tensor)], [[each[position]] for each in flat])

    def inputs(self, node: Node) -> list[list[Any]]:
        read = [self._values[_key(edge)] for edge in node.inputs]
        return [list(batch) for batch in zip(*read, strict=True)]

    def compute(self, node: Node, inputs: list[list[Any]]) -> None:
        self._put(node, [_call(self._model, node, tensors) for tensors in inputs])
        for edge in node.inputs:
            self._readers[id(edge.source)] -= 1
            if not self._readers[id(edge.source)]:
                for key in [key for key in self._values if key[0] == id(edge.source)]:
                    del self._values[key]

    def _put(self, node, outputs):
        self._readers[id(node)] = len(node.consumers)
        if node.consumers:
            for index, tensors in enumerate(zip(*outputs, strict=True)):
                self._values[id(node), index] = list(tensors)


def _call(model, node, tensors):
    known = {id(old): new for old, new in zip(node.keras_node.input_tensors, tensors, strict=True)}
    args, kwargs = node.keras_node.arguments.fill_in(known)
    # As inside `model(x, training=False)`: layers for augmentation would run otherwise.
    model._get_call_context().set_value("training", False)
    try:
        return keras.tree.flatten(operation_fn(node.operation, training=False)(*args, **kwargs))
    finally:
        model._maybe_reset_call_context()


def _key(edge: Edge) -> tuple[int, int]:
    return id(edge.source), edge.index
