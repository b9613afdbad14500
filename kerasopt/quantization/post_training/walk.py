"""Runs models call by call: one, or a float model and its quantized copy side by side."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import keras

from kerasopt.graph import Edge, Graph, Node


class Step(NamedTuple):
    """A call of a layer in both models, with its inputs.

    Attributes:
        float_node: The `Node` of the float model.
        node: The `Node` of the quantized model.
        float_inputs: List of the inputs in the float model, a list of tensors for each batch.
        inputs: The same for the quantized model.
    """

    float_node: Node
    node: Node
    float_inputs: list[list[Any]]
    inputs: list[list[Any]]


def walk(model: keras.Model, quantized: keras.Model, batches: Iterable) -> Iterator[Step]:
    """Yields every call in two models with the same graph, before it is computed.

    If the caller changes the layer, later layers receive the changed outputs. So each quantized
    layer can be corrected for the rounding errors of those before it.

    Args:
        model: A functional or Sequential model.
        quantized: Its copy.
        batches: Inputs for the model's `call`.
    """
    batches = list(batches)
    for (float_node, float_inputs), (node, inputs) in zip(
        run(Graph.of(model), batches), run(Graph.of(quantized), batches), strict=True
    ):
        yield Step(float_node, node, float_inputs, inputs)


def run(graph: Graph, batches: Iterable) -> Iterator[tuple[Node, list[list[Any]]]]:
    """Yields every call of a graph with its inputs, before it is computed.

    Args:
        graph: The `Graph` of a model.
        batches: Inputs for the model's `call`.

    Yields:
        The `Node`, and a list of tensors for each batch.
    """
    way = _Way(graph, list(batches))
    for node in graph:
        if not node.is_input:
            inputs = way.inputs(node)
            yield node, inputs
            way.compute(node, inputs)


class _Way:
    """The tensors of one model, for as long as they are needed."""

    def __init__(self, graph, batches):
        self._graph = graph
        self._values: dict[Edge, list] = {}
        self._readers: dict[Node, int] = {}
        self._count = len(batches)
        fed = [graph.feed(batch) for batch in batches]
        for edge in graph.inputs:
            self._put(edge.source, [[each[edge]] for each in fed])

    def inputs(self, node: Node) -> list[list[Any]]:
        # A call may read constants only.
        read = [self._values[edge] for edge in node.inputs]
        return [[tensors[batch] for tensors in read] for batch in range(self._count)]

    def compute(self, node: Node, inputs: list[list[Any]]) -> None:
        self._put(node, [node.call(tensors) for tensors in inputs])
        self._free([edge.source for edge in node.inputs])

    def _put(self, node, outputs):
        pairs = self._graph.masked_by(node)
        self._readers[node] = len(node.consumers) + len(pairs)
        if self._readers[node]:
            for edge, tensors in zip(node.outputs, zip(*outputs, strict=True), strict=True):
                self._values[edge] = list(tensors)
        for batch in range(self._count):
            read = {edge for pair in pairs for edge in pair if edge in self._values}
            self._graph.set_masks(node, {edge: self._values[edge][batch] for edge in read})
        # A tensor keeps its mask.
        known = [pair for pair in pairs if self._values.keys() >= set(pair)]
        self._free([source for pair in known for source in {edge.source for edge in pair}])

    def _free(self, sources):
        for source in sources:
            self._readers[source] -= 1
            if not self._readers[source]:
                for edge in source.outputs:
                    del self._values[edge]
