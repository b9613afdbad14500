"""Tensors of Keras models: float, quantization-aware or integer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import keras

from kerasopt.exporters.names import numbered
from kerasopt.exporters.parts import Parts, rounded_to
from kerasopt.graph import (
    Edge,
    Graph,
    Group,
    Groups,
    Node,
    activation_bounds,
    clamp_bounds,
    has_kernel,
)
from kerasopt.inference import Affine
from kerasopt.inference.integer.layer import ClampedLayer
from kerasopt.keras_internals.calls import copy_mask
from kerasopt.parity.trace import Tensor, Trace


class TracedModel:
    """A Keras model whose tensors have names.

    A convolution with its batch normalization and ReLU becomes one integer layer, so in a float
    model their last output has the name of the convolution. A tensor after a layer's own activation
    other than ReLU is called `<layer>_activation`, like the integer layer.

    Args:
        model: A `keras.Model`. One that cannot be recorded has only its outputs as tensors.
    """

    def __init__(self, model: keras.Model):
        self.model = model
        self.graph = Graph.of(model)
        self._affines = Parts(self.graph).affines
        self._clamped: set[Edge] = set()
        self._aliases: dict[str, str] = {}
        self._shared: dict[str, str] = {}
        self.names = dict(self._named())

    def run(self, data: Any) -> Trace:
        """Returns the tensors that the model computes for `data`."""
        if self.graph.nodes:
            return self._walk(data, None)
        outputs = keras.tree.flatten(self.model(data, training=False))
        names = [f"output_{index}" for index in range(len(outputs))]
        arrays = map(keras.ops.convert_to_numpy, outputs)
        return Trace(dict(zip(names, map(Tensor, arrays), strict=True)), names)

    def run_isolated(self, data: Any, other: Trace) -> Trace:
        """Returns the tensors that each call computes from the tensors of another model.

        Tensors that the other model does not have, by name, are computed from earlier ones.
        """
        return self._walk(data, other)

    def _walk(self, data: Any, other: Trace | None) -> Trace:
        """Calls the nodes one by one, with nested models expanded."""
        values, tensors = self.graph.feed(data), dict[str, Tensor]()
        own = Trace(tensors, self._outputs(), self._aliases, self._shared)
        for node in self.graph:
            if not node.is_input:
                results = node.call([values[edge] for edge in node.inputs])
                values.update(zip(node.outputs, results, strict=True))
                self.graph.set_masks(node, values)
            for edge in node.outputs:
                value, name = values[edge], self.names.get(edge)
                if name is None:
                    continue
                computed = self._tensor(edge, value)
                if other is None:
                    tensors[name] = computed
                elif not node.is_input and (theirs := other.find(name, computed, own)):
                    tensors[name] = computed
                    values[edge] = _read(other.tensors[theirs], computed, value)
        return own

    def _tensor(self, edge: Edge, value: Any) -> Tensor:
        array = keras.ops.convert_to_numpy(value)
        return Tensor(array, self._affines[edge], edge in self._clamped, _read_as(edge))

    def _outputs(self) -> list[str]:
        return [self.names[edge] for edge in self.graph.outputs]

    def _named(self) -> Iterator[tuple[Edge, str]]:
        """Yields the named tensors, with their names."""
        groups = list(Groups(self.graph))
        names = [_name_of(group) for group in groups]
        for group, layer, name in zip(groups, names, numbered(names), strict=True):
            if names.count(layer) > 1:
                self._shared[name] = layer
            if group.output is not group.anchor:
                self._aliases.setdefault(group.output.path.replace("/", "_"), name)
            if _is_clamped(group):
                self._clamped.add(Edge(group.output))
            for edge in group.output.outputs:
                yield edge, name + (f":{edge.index}" if edge.index else "")


def _name_of(group: Group) -> str:
    anchor: Node = group.anchor
    operation = anchor.operation
    activates = has_kernel(operation) and activation_bounds(operation) is None
    return anchor.path.replace("/", "_") + ("_activation" if activates else "")


def _is_clamped(group: Group) -> bool:
    """Whether a group ends in a ReLU."""
    last: Any = group.output.operation
    if isinstance(last, ClampedLayer):
        return last.output_min >= last.output_affine.zero_point
    bounds = clamp_bounds(last) or (activation_bounds(last) if has_kernel(last) else None)
    return bounds is not None and bounds[0] >= 0


def _read_as(edge: Edge) -> Affine | None:
    """Returns the quantization that all readers of a float tensor apply, or `None`."""
    return None if edge.source.is_output else rounded_to(edge.source)


def _read(theirs: Tensor, ours: Tensor, value: Any) -> Any:
    """Returns a tensor of another model in the format of this model, with its mask."""
    theirs = theirs.as_in(ours)
    array = theirs.real.astype(ours.values.dtype)
    if ours.affine is not None:
        array = theirs.integers(ours.affine)
    tensor = keras.ops.convert_to_tensor(array.reshape(ours.values.shape))
    copy_mask(value, tensor)
    return tensor
