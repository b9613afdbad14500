"""Additions of two tensors, with ReLU, to `QuantizedAdd`."""

from __future__ import annotations

import keras
import numpy as np

from kerasopt.graph import Group, is_residual, residual_scale
from kerasopt.inference import Affine
from kerasopt.inference.integer.add import QuantizedAdd
from kerasopt.lowering.builder import Builder
from kerasopt.lowering.patterns.contraction import output_of
from kerasopt.lowering.patterns.elementwise import look_up
from kerasopt.lowering.patterns.pairs import combine, two_inputs
from kerasopt.lowering.values import StaysFloat


def matches(group: Group) -> bool:
    return is_residual(group.anchor.operation, len(group.inputs))


def lower(group: Group, builder: Builder) -> None:
    output = output_of(group)
    values, affines = two_inputs(group, builder)
    scale = residual_scale(group.anchor.operation)
    if scale <= 0.0:
        raise StaysFloat(f"it multiplies its second input by {scale}")
    widths = {affine.bits for affine in (*affines, output.affine)}
    if len(widths) > 1 or (widths == {16} and scale != 1.0):
        raise StaysFloat("it has no form with these numbers of bits")
    if scale != 1.0:
        # Other real values, of the same integers.
        affines = (affines[0], Affine(affines[1].scale * scale, affines[1].zero_point))
        rescaling = keras.layers.Rescaling(scale, dtype="float32")
        values[1] = look_up(group, builder, values[1], [rescaling], affines[1])
    largest = max(affine.scale for affine in affines)
    ratio = np.float32(largest) / np.float32(output.affine.scale)
    if not 2**-10 <= ratio < 2**8:  # where `kerasopt.ops.quantized_add` is defined
        raise StaysFloat(f"the scales of its inputs are {ratio:.3g} times the output's")
    combine(group, builder, QuantizedAdd, values, affines, output)
