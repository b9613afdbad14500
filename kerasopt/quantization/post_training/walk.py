"""A float model and its quantized copy, run side by side."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import keras

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
        self.graph = Graph.of(model)
        self._values: dict[Edge, list] = {}
        self._readers: dict[Node, int] = {}
        fed = [self.graph.feed(batch) for batch in batches]
        for edge in self.graph.inputs:
            self._put(edge.source, [[each[edge]] for each in fed])

    def inputs(self, node: Node) -> list[list[Any]]:
        read = [self._values[edge] for edge in node.inputs]
        return [list(batch) for batch in zip(*read, strict=True)]

    def compute(self, node: Node, inputs: list[list[Any]]) -> None:
        self._put(node, [node.call(tensors) for tensors in inputs])
        for source in [edge.source for edge in node.inputs]:
            self._readers[source] -= 1
            if not self._readers[source]:
                for edge in source.outputs:
                    del self._values[edge]

    def _put(self, node, outputs):
        self._readers[node] = len(node.consumers)
        if node.consumers:
            for edge, tensors in zip(node.outputs, zip(*outputs, strict=True), strict=True):
                self._values[edge] = list(tensors)
