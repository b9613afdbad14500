"""The tensors of a Keras model: float, quantization-aware or of integer layers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

from kerasopt.exporters.parts import Parts, TensorKey, key_of
from kerasopt.graph import (
    Edge,
    Graph,
    Group,
    Groups,
    Node,
    activation_bounds,
    functional_of,
    has_kernel,
)
from kerasopt.parity.trace import Tensor, Trace


class TracedModel:
    """A Keras model whose tensors have names.

    A convolution with its batch normalization and its ReLU is one integer layer, so in a float
    model their last output has the name of the convolution. A tensor after a layer's own
    activation, which is no ReLU, is called `<layer>_activation`, as the layer of integers is.

    Args:
        model: A `keras.Model`. A subclassed one shows its outputs only.
    """

    def __init__(self, model: keras.Model):
        self.model = model
        self.graph = Graph.of(model)
        self._affines = Parts(self.graph).affines
        self.names = dict(self._named())

    def run(self, data: Any) -> Trace:
        """Returns the tensors that the model computes of `data`."""
        if not self.graph.nodes:
            outputs = keras.tree.flatten(self.model(data, training=False))
            names = [f"output_{index}" for index in range(len(outputs))]
            arrays = map(keras.ops.convert_to_numpy, outputs)
            return Trace(dict(zip(names, map(Tensor, arrays), strict=True)), names)
        edges = [edge for edge in self._edges() if key_of(edge) in self.names]
        symbolic = [edge.source.keras_node.outputs[edge.index] for edge in edges]
        functional: Any = functional_of(self.model)
        traced = keras.Model(functional._inputs_struct, symbolic)
        values = keras.tree.flatten(traced(data, training=False))
        tensors = {
            self.names[key_of(edge)]: self._tensor(edge, value)
            for edge, value in zip(edges, values, strict=True)
        }
        return Trace(tensors, self._outputs())

    def run_isolated(self, data: Any, other: Trace) -> Trace:
        """Returns what each call computes when it reads the tensors of another model.

        What the other model does not have, by name, is computed from what comes before.
        """
        values = dict(zip(self._inputs(), keras.tree.flatten(data), strict=True))
        tensors = {}
        for node in self.graph:
            if node.is_input:
                continue
            read = [values[key_of(edge)] for edge in node.inputs]
            replaced = dict(zip(map(id, node.keras_node.input_tensors), read, strict=True))
            args, kwargs = node.keras_node.arguments.fill_in(replaced)
            results = keras.tree.flatten(node.operation(*args, **kwargs))
            for edge, value in zip(_outputs_of(node), results, strict=True):
                computed = self._tensor(edge, value)
                values[key_of(edge)] = computed.values
                name = self.names.get(key_of(edge), "")
                theirs = other.tensors.get(name)
                if theirs is not None and theirs.values.size == computed.values.size:
                    tensors[name] = computed
                    values[key_of(edge)] = _read(theirs, computed)
        return Trace(tensors, [name for name in self._outputs() if name in tensors])

    def _tensor(self, edge: Edge, value: Any) -> Tensor:
        return Tensor(keras.ops.convert_to_numpy(value), self._affines[key_of(edge)])

    def _edges(self) -> Iterator[Edge]:
        for node in self.graph:
            yield from _outputs_of(node)

    def _inputs(self) -> list[TensorKey]:
        nodes = {id(node.keras_node.outputs[0]): node for node in self.graph if node.is_input}
        functional: Any = functional_of(self.model)
        return [(id(nodes[id(tensor)]), 0) for tensor in functional.inputs]

    def _outputs(self) -> list[str]:
        return [self.names[key_of(edge)] for edge in self.graph.outputs]

    def _named(self) -> Iterator[tuple[TensorKey, str]]:
        """Yields the keys of the tensors that have a name, with it."""
        groups = Groups(self.graph)
        taken: dict[str, int] = {}
        for group in groups:
            name = _name_of(group)
            count = taken[name] = taken.get(name, 0) + 1
            if count > 1:
                name = f"{name}_{count - 1}"
            for index in range(len(group.output.keras_node.outputs)):
                yield (id(group.output), index), name + (f":{index}" if index else "")


def _name_of(group: Group) -> str:
    anchor: Node = group.anchor
    operation = anchor.operation
    activates = has_kernel(operation) and activation_bounds(operation) is None
    return anchor.path.replace("/", "_") + ("_activation" if activates else "")


def _outputs_of(node: Node) -> list[Edge]:
    return [Edge(node, index) for index in range(len(node.keras_node.outputs))]


def _read(tensor: Tensor, like: Tensor) -> np.ndarray:
    """Returns a tensor in the form of another one."""
    if like.affine is not None:
        return tensor.integers(like.affine).reshape(like.values.shape)
    return tensor.real.astype(like.values.dtype).reshape(like.values.shape)
