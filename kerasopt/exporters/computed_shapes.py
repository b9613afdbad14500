"""Models with layers that compute another shape than they declare.

Keras believes what `compute_output_shape` of a layer says; what runs goes by what `call` returns.
"""

from __future__ import annotations

import contextlib
import functools
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import keras

from kerasopt.exporters.parts import ShapeMismatch
from kerasopt.graph import Graph, called_again, recorded
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
            changed = _changed(graph, corrected)
            if not changed:
                raise mismatch
            warnings.warn(
                "The file has the shapes that layers compute, which are not those that they "
                f"declare: {', '.join(changed[:5])}. Mend their `compute_output_shape`.",
                stacklevel=4,
            )
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
        vars(layer)["compute_output_spec"] = functools.partial(_spec, layer)
    try:
        yield
    finally:
        for layer in layers.values():
            del vars(layer)["compute_output_spec"]


def _spec(layer: keras.Layer, *args: Any, **kwargs: Any) -> Any:
    computed = keras.Operation.compute_output_spec(layer, *args, **kwargs)
    if None not in keras.tree.flatten(computed):
        return computed
    # It declares a tensor where it returns nothing.
    declared = type(layer).compute_output_spec(layer, *args, **kwargs)
    flat = zip(keras.tree.flatten(declared), keras.tree.flatten(computed), strict=True)
    return keras.tree.pack_sequence_as(declared, [own if x is None else x for own, x in flat])


def _changed(graph: Graph, corrected: keras.Model) -> list[str]:
    """Returns which tensors have other shapes."""
    edges = (edge for node in graph for edge in node.outputs)
    computed = (edge.tensor.shape for node in Graph.of(corrected) for edge in node.outputs)
    return [
        f"'{edge.source.path}' computes {shape}, not {edge.tensor.shape}"
        for edge, shape in zip(edges, computed, strict=True)
        if edge.tensor.shape != shape
    ]
