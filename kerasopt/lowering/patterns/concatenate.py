"""Concatenations, of int8 tensors that are brought to one scale."""

from __future__ import annotations

from kerasopt.graph import Group, is_concatenation
from kerasopt.lowering.builder import Builder
from kerasopt.lowering.patterns.moving import move_integers
from kerasopt.lowering.quantizers import output_affine
from kerasopt.lowering.values import StaysFloat


def matches(group: Group) -> bool:
    return is_concatenation(group.anchor.operation)


def lower(group: Group, builder: Builder) -> None:
    output = output_affine(group)
    values = builder.inputs(group.anchor)
    if output is None or any(value.affine is None for value in values):
        raise StaysFloat("an input or its output has no quantizer")
    values = [builder.as_integers(value, output) for value in values]
    move_integers(group.anchor, builder, values, output)
