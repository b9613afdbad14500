"""Additions of two tensors, with ReLU, to `QuantizedAdd`."""

from __future__ import annotations

import numpy as np

from kerasopt.graph import Group, clamp_bounds, is_residual
from kerasopt.layers.integer import QuantizedAdd
from kerasopt.lowering.builder import Builder
from kerasopt.lowering.quantizers import output_affine
from kerasopt.lowering.values import StaysFloat, Value


def matches(group: Group) -> bool:
    return is_residual(group.anchor.operation, len(group.inputs))


def lower(group: Group, builder: Builder) -> None:
    values = builder.inputs(group.anchor)
    affines = tuple(value.affine for value in values if value.affine is not None)
    output = output_affine(group)
    if len(affines) < len(values) or output is None:
        raise StaysFloat("an input or its output has no quantizer")
    shapes = [value.tensor.shape for value in values]
    if len(affines) != 2 or shapes[0] != shapes[1]:
        raise StaysFloat(f"only two tensors of one shape have an integer sum, not {shapes}")
    ratio = np.float32(max(affine.scale for affine in affines)) / np.float32(output.scale)
    if not 2**-10 <= ratio < 2**8:  # where `kerasopt.ops.quantized_add` is defined
        raise StaysFloat(f"the scales of its inputs are {ratio:.3g} times the output's")
    clamp = group.activation and clamp_bounds(group.activation.operation)
    low, high = clamp or (-float("inf"), float("inf"))
    layer = builder.layer(
        group.anchor,
        (affines, output),
        lambda name: QuantizedAdd(
            input_affine=affines,
            output_affine=output,
            output_min=output.quantized(low),
            output_max=output.quantized(high),
            name=name,
        ),
    )
    builder.put(group.output, Value(layer([value.tensor for value in values]), output))
