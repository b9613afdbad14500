"""Concatenations of int8 tensors that have one scale."""

from __future__ import annotations

from kerasopt.graph import Group, is_concatenation
from kerasopt.lowering.builder import Builder
from kerasopt.lowering.patterns.moving import move_integers
from kerasopt.lowering.quantizers import affine_of
from kerasopt.lowering.values import StaysFloat


def matches(group: Group) -> bool:
    return is_concatenation(group.anchor.operation)


def lower(group: Group, builder: Builder) -> None:
    values = builder.inputs(group.anchor)
    output = affine_of(group.anchor.operation, "output")
    if output is None or any(value.affine != output for value in values):
        raise StaysFloat("its inputs have scales of their own, or are float32")
    move_integers(group.anchor, builder, values, output)
