"""Products of two tensors, with ReLU, to `QuantizedMultiply`."""

from __future__ import annotations

from kerasopt.graph import Group, is_product
from kerasopt.inference.integer.multiply import QuantizedMultiply
from kerasopt.lowering.builder import Builder
from kerasopt.lowering.patterns.add import two_inputs
from kerasopt.lowering.patterns.contraction import Output, output_of
from kerasopt.lowering.values import Value


def matches(group: Group) -> bool:
    return is_product(group.anchor.operation, len(group.inputs))


def lower(group: Group, builder: Builder) -> None:
    output: Output = output_of(group)
    values, affines = two_inputs(group, builder)
    layer = builder.layer(
        group.anchor,
        (affines, output),
        lambda name: QuantizedMultiply(input_affine=affines, **output.arguments, name=name),
    )
    builder.put(group.output, Value(layer([value.tensor for value in values]), output.affine))
