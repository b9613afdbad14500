"""A softmax at the end of a model, on integers where its output is to be int8."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import keras

from kerasopt.graph import Edge, Graph, is_softmax
from kerasopt.inference.integer.boundaries import Dequantize
from kerasopt.inference.integer.softmax import QuantizedSoftmax
from kerasopt.keras_internals.graphs import calls_forgotten, producer


@contextlib.contextmanager
def integer_outputs(functional: Any) -> Iterator[keras.Model]:
    """Yields a model that computes a softmax at its end on integers, if it reads integers.

    Args:
        functional: The functional model. Its layers remember nothing of it afterwards.
    """
    edges = Graph.of(functional).outputs
    with calls_forgotten([producer(_codes(edge)) for edge in edges if _reads_integers(edge)]):
        outputs = [_on_integers(edge) if _reads_integers(edge) else edge.tensor for edge in edges]
        structure = keras.tree.pack_sequence_as(functional.output, outputs)
        yield keras.Model(functional.input, structure, name=functional.name)


def _reads_integers(edge: Edge) -> bool:
    node = edge.source
    if not is_softmax(node.operation) or len(node.inputs) != 1:
        return False
    return isinstance(node.inputs[0].source.operation, Dequantize)


def _on_integers(edge: Edge) -> keras.KerasTensor:
    name = edge.source.operation.name
    affine = edge.source.inputs[0].source.operation.input_affine
    softmax = QuantizedSoftmax(input_affine=affine, name=f"{name}_int8")
    return Dequantize(input_affine=softmax.output_affine, name=name)(softmax(_codes(edge)))


def _codes(edge: Edge) -> keras.KerasTensor:
    """Returns the int8 tensor that the softmax of an output reads in float32."""
    return edge.source.inputs[0].source.keras_node.input_tensors[0]
