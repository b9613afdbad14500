"""The bit widths of the inputs of layers."""

from __future__ import annotations

import keras

from kerasopt.benchmarking.weights import bits_of
from kerasopt.graph import Graph, Group, Groups, is_concatenation, layers, slots_of
from kerasopt.inference import InferenceLayer
from kerasopt.inference.held import HeldWeight
from kerasopt.parametrization import find_link, links_by_slot
from kerasopt.quantization import Quantizer


def input_bits(model: keras.Model) -> dict[int, int]:
    """Returns the bit width of the input of each layer, by its `id`.

    For inference layers this is the width that they multiply with; in a model
    with quantizers, that of the quantizer of the input; otherwise that of the
    layer's dtype.
    """
    found = {id(layer): _own_bits(layer) for _, layer in layers(model)}
    groups = Groups(Graph.of(model))
    for group in groups:
        anchor = group.anchor.operation
        if isinstance(anchor, InferenceLayer) or "input" in slots_of(anchor):
            continue
        bits = [_bits_after(groups.origin(edge)) for edge in group.inputs]
        if bits and None not in bits:
            found[id(anchor)] = max(bit for bit in bits if bit is not None)
    return found


def _own_bits(layer: keras.Layer) -> int:
    if isinstance(layer, InferenceLayer):
        return layer.input_bits
    held = [link.input_bits for _, link in links_by_slot(layer, HeldWeight)]
    if held:
        return min(held)
    bits = _bits_of(layer, "input")
    return bits_of(layer.compute_dtype or "float32") if bits is None else bits


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
