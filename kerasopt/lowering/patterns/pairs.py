"""What the patterns of layers that combine two tensors share."""

from __future__ import annotations

from typing import Any

from kerasopt.graph import Group
from kerasopt.inference import Affine
from kerasopt.lowering.builder import Builder
from kerasopt.lowering.patterns.contraction import Output
from kerasopt.lowering.values import StaysFloat, Value


def two_inputs(group: Group, builder: Builder) -> tuple[list[Value], tuple[Affine, ...]]:
    """Returns the integer inputs of a group that has two, and what they stand for."""
    values = builder.inputs(group.anchor)
    affines = tuple(value.affine for value in values if value.affine is not None)
    if not affines:
        raise StaysFloat("it combines floats")
    if len(affines) < len(values):
        raise StaysFloat("an input has no quantizer")
    if len(values) != 2:
        raise StaysFloat(f"only of two tensors it has an integer form, not of {len(values)}")
    return values, affines


def combine(
    group: Group,
    builder: Builder,
    cls: Any,
    values: list[Value],
    affines: tuple[Affine, ...],
    output: Output,
) -> None:
    """Puts what a `PairLayer` of a class makes of two values."""
    layer = builder.layer(
        group.anchor,
        (affines, output),
        lambda name: cls(input_affine=affines, **output.arguments, name=name),
    )
    builder.put(group.output, Value(layer([value.tensor for value in values]), output.affine))
