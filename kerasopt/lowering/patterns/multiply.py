"""Products of two tensors, with ReLU, to `QuantizedMultiply`."""

from __future__ import annotations

from kerasopt.graph import Group, is_product
from kerasopt.inference.integer.multiply import QuantizedMultiply
from kerasopt.lowering.builder import Builder
from kerasopt.lowering.patterns.contraction import output_of
from kerasopt.lowering.patterns.pairs import combine, two_inputs


def matches(group: Group) -> bool:
    return is_product(group.anchor.operation, len(group.inputs))


def lower(group: Group, builder: Builder) -> None:
    output = output_of(group)
    values, affines = two_inputs(group, builder)
    combine(group, builder, QuantizedMultiply, values, affines, output)
