"""Additions of two tensors, with ReLU, to `QuantizedAdd`."""

from __future__ import annotations

import numpy as np

from kerasopt.graph import Group, is_residual
from kerasopt.layers.integer import Affine, QuantizedAdd
from kerasopt.lowering.builder import Builder
from kerasopt.lowering.patterns.contraction import Output, output_of
from kerasopt.lowering.values import StaysFloat, Value


def matches(group: Group) -> bool:
    return is_residual(group.anchor.operation, len(group.inputs))


def lower(group: Group, builder: Builder) -> None:
    output: Output = output_of(group)
    values, affines = two_inputs(group, builder)
    largest = max(affine.scale for affine in affines)
    ratio = np.float32(largest) / np.float32(output.affine.scale)
    if not 2**-10 <= ratio < 2**8:  # where `kerasopt.ops.quantized_add` is defined
        raise StaysFloat(f"the scales of its inputs are {ratio:.3g} times the output's")
    layer = builder.layer(
        group.anchor,
        (affines, output),
        lambda name: QuantizedAdd(input_affine=affines, **output.arguments, name=name),
    )
    builder.put(group.output, Value(layer([value.tensor for value in values]), output.affine))


def two_inputs(group: Group, builder: Builder) -> tuple[list[Value], tuple[Affine, ...]]:
    """Returns the int8 inputs of a group that has two, and what they stand for."""
    values = builder.inputs(group.anchor)
    affines = tuple(value.affine for value in values if value.affine is not None)
    if len(affines) < len(values):
        raise StaysFloat("an input has no quantizer")
    if len(values) != 2:
        raise StaysFloat(f"only of two tensors it has an integer form, not of {len(values)}")
    return values, affines
