"""The graph of a subclassed model, as a functional model."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import keras

from kerasopt.graph.functional import functional_of
from kerasopt.graph.graph import Graph
from kerasopt.keras_internals.graphs import Functional, calls_forgotten
from kerasopt.keras_internals.layers import flattened


@contextlib.contextmanager
def recorded(model: keras.Model) -> Iterator[Functional]:
    """Yields a functional model that calls the layers of a model like the model itself.

    For a functional or Sequential model this is its own graph. The code of other models is recorded
    (`Graph.of`). The layers are those of the model; the functional model leaves no trace in them.
    Sizes of images and sequences stay unknown if the computation does not depend on them.

    Args:
        model: A built `keras.Model`.

    Raises:
        ValueError: If the model cannot be recorded: its code depends on values or uses functions of
            a backend, or the shapes of its inputs are unknown.
    """
    known = functional_of(model)
    if known is not None:
        yield known
        return
    with calls_forgotten(flattened(model)):
        yield _functional(recorded_graph(model), model.name)


def recorded_graph(model: keras.Model) -> Graph:
    """Returns the graph of a model.

    Raises:
        ValueError: If the model cannot be recorded, with the reason.
    """
    graph = Graph.of(model)
    if not graph.nodes:
        raise ValueError(
            f"The graph of model '{model.name}' cannot be recorded: {graph.closed['']}. Build it "
            "with `keras.Model(inputs, outputs)`, or use only layers and `keras.ops` in its "
            f"`call`. Received: model={model.name}"
        )
    return graph


def _functional(graph: Graph, name: str) -> Functional:
    values = {edge: edge.tensor for edge in graph.inputs}
    for node in graph:
        if not node.is_input:
            results = node.call([values[edge] for edge in node.inputs])
            values.update(zip(node.outputs, results, strict=True))
    return keras.Model(graph.input, graph.packed([values[x] for x in graph.outputs]), name=name)
