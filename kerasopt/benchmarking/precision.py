"""The bit widths of the integers that layers and products read."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import keras

from kerasopt.graph import (
    Edge,
    Graph,
    Group,
    Groups,
    Node,
    is_concatenation,
    layers,
    slots_of,
    unwrap,
)
from kerasopt.inference import InferenceLayer
from kerasopt.inference.held import HeldWeight
from kerasopt.keras_internals.attention import KEY, QUERY, VALUE
from kerasopt.parametrization import FACTOR_SLOTS, find_link, links_by_slot
from kerasopt.quantization import Quantizer

_FLOAT = 32


class Precisions:
    """How many bits what the layers and products of a model read is rounded to.

    Args:
        graph: The `Graph` of the model.
        model: A built `keras.Model`.

    Attributes:
        groups: The `Groups` of the graph.
    """

    def __init__(self, graph: Graph, model: keras.Model):
        self.groups = Groups(graph)
        self._of_layers = {id(layer): _own_bits(layer) for _, layer in layers(model)}
        for group in self.groups:
            anchor = group.anchor.operation
            if isinstance(unwrap(anchor), keras.layers.MultiHeadAttention):
                self._add_projections(group.anchor)
            elif not isinstance(anchor, InferenceLayer):
                self._add(anchor, group.inputs)

    def _add(self, layer: Any, edges: Iterable[Edge]) -> None:
        """Adds the bits of what a layer reads, if it does not round that itself."""
        bits = [_bits_after(self.groups.origin(edge)) for edge in edges]
        if bits and None not in bits and "input" not in slots_of(layer):
            self._of_layers[id(layer)] = max(bit for bit in bits if bit is not None)

    def _add_projections(self, node: Node) -> None:
        attention, given, edges = node.operation, node.arguments, node.edges
        named = {QUERY: "query", KEY: "key", VALUE: "value"}
        for projection, name in named.items():
            read = given.get(name, given["value"])
            if id(read) in edges:
                self._add(getattr(attention, projection), [edges[id(read)]])

    def of_input(self, layer: keras.Layer) -> int | None:
        """Returns the bits of the integers that a layer multiplies, `None` if those are floats.

        For inference layers this is the width that they multiply with; in a model with quantizers,
        that of the quantizer of the input.
        """
        return self._of_layers.get(id(layer))

    def of_factors(self, node: Node) -> tuple[int | None, ...]:
        """Returns the bits of the integers of both factors of a product, `None` for floats."""
        operation: Any = node.operation
        if isinstance(operation, InferenceLayer):
            return (self.of_input(operation),) * 2
        if isinstance(unwrap(operation), keras.layers.MultiHeadAttention):
            return (_bits_of(getattr(operation, KEY), "output"),) * 2
        found = zip(FACTOR_SLOTS, node.inputs, strict=True) if len(node.inputs) == 2 else ()
        return tuple(
            _bits_of(operation, slot) or _bits_after(self.groups.origin(edge))
            for slot, edge in found
        )

    def on_integers(self, group: Group) -> bool:
        """Whether a group without a kernel reads and writes integers."""
        if isinstance(group.anchor.operation, InferenceLayer):
            return self.of_input(group.anchor.operation) is not None
        ends = [*map(self.groups.origin, group.inputs), group]
        return None not in map(_bits_after, ends)


def _own_bits(layer: Any) -> int | None:
    if isinstance(layer, InferenceLayer):
        return layer.input_bits if layer.input_bits < _FLOAT else None
    held = [link.input_bits for _, link in links_by_slot(layer, HeldWeight)]
    if held:
        return min(held) if min(held) < _FLOAT else None
    # What Keras' own `model.quantize` has made of it.
    is_quantized = getattr(layer.dtype_policy, "quantization_mode", None) is not None
    if is_quantized and getattr(layer, "inputs_quantizer", None) is not None:
        return 8
    return _bits_of(layer, "input")


def _bits_after(group: Group) -> int | None:
    """Returns the bit width that the output of a group is rounded to, or `None`."""
    node = group.output
    bits = _bits_of(node.operation, "output")
    joins = len(node.consumers) == 1 and is_concatenation(node.consumers[0].operation)
    if bits is None and joins:
        bits = _bits_of(node.consumers[0].operation, "output")
    return bits


def _bits_of(operation: keras.Operation, slot: str) -> int | None:
    quantizer = find_link(operation, slot, Quantizer)
    return None if quantizer is None else quantizer.bits
