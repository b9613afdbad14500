"""Softmax between integers to `QuantizedSoftmax`."""

from __future__ import annotations

from kerasopt.graph import Group, is_softmax
from kerasopt.lowering.builder import Builder
from kerasopt.lowering.patterns.elementwise import soften
from kerasopt.lowering.quantizers import output_affine
from kerasopt.lowering.values import StaysFloat


def matches(group: Group) -> bool:
    return is_softmax(group.anchor.operation)


def lower(group: Group, builder: Builder) -> None:
    value = builder.inputs(group.anchor)[0]
    output = output_affine(group)
    if value.affine is None or output is None or len(group.anchor.inputs) > 1:
        raise StaysFloat("its input or its output has no quantizer")
    builder.put(group.output, soften(group, builder, value, output))
