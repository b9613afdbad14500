"""Models with layers that compute another shape than they declare.

Keras believes what `compute_output_shape` of a layer says; what runs goes by what `call` returns.
"""

from __future__ import annotations

import contextlib
import functools
import warnings
from collections.abc import Iterator, Sequence

import keras

from kerasopt.exporters.parts import ShapeMismatch
from kerasopt.graph import Edge, Graph, called_again, recorded
from kerasopt.inference import InferenceLayer
from kerasopt.keras_internals.graphs import calls_forgotten


@contextlib.contextmanager
def shaped_as_computed(model: keras.Model, mismatch: ShapeMismatch) -> Iterator[keras.Model]:
    """Yields a functional model whose tensors have the shapes that layers compute in inference.

    Args:
        model: A `keras.Model`.
        mismatch: What was raised for it, and is if its layers cannot be called on these shapes.
    """
    with recorded(model) as functional:
        graph = Graph.of(functional)
        operations = [node.operation for node in graph]
        with calls_forgotten(operations):
            with _specs_of_calls(operations):
                try:
                    corrected = called_again(graph, model.name)
                except Exception as error:  # whatever layers raise of shapes that they do not take
                    raise mismatch from error
            _warn(graph, corrected)
            yield corrected


@contextlib.contextmanager
def _specs_of_calls(operations: Sequence[keras.Operation]) -> Iterator[None]:
    """Lets layers declare what their `call` returns."""
    layers = {
        id(each): each
        for each in operations
        if isinstance(each, keras.Layer)
        and not isinstance(each, InferenceLayer | keras.layers.InputLayer)
    }
    for layer in layers.values():
        spec = functools.partial(keras.Operation.compute_output_spec, layer)
        vars(layer)["compute_output_spec"] = spec
    try:
        yield
    finally:
        for layer in layers.values():
            del vars(layer)["compute_output_spec"]


def _warn(graph: Graph, corrected: keras.Model) -> None:
    edges = (edge for node in graph for edge in node.outputs)
    new = (edge for node in Graph.of(corrected) for edge in node.outputs)
    pairs = zip(edges, new, strict=True)
    declared = [
        _difference(*pair) for pair in pairs if pair[0].tensor.shape != pair[1].tensor.shape
    ]
    warnings.warn(
        "The file has the shapes that layers compute, which are not those that they declare: "
        f"{', '.join(declared[:5])}. Mend their `compute_output_shape`.",
        stacklevel=5,
    )


def _difference(edge: Edge, computed: Edge) -> str:
    return f"'{edge.source.path}' computes {computed.tensor.shape}, not {edge.tensor.shape}"
