"""Dense with dynamic quantization of its rows, with batch normalization and ReLU."""

from __future__ import annotations

from functools import partial
from typing import Any

import keras

from kerasopt.graph import Group
from kerasopt.inference.dynamic_dense import DynamicDense
from kerasopt.lowering.builder import Builder
from kerasopt.lowering.patterns.contraction import (
    columns_of,
    finish_float,
    gain_and_offset,
    place_float,
)
from kerasopt.lowering.quantizers import reads_rounded_rows


def matches(group: Group) -> bool:
    is_dense = isinstance(group.anchor.operation, keras.layers.Dense)
    return is_dense and reads_rounded_rows(group.anchor)


def lower(group: Group, builder: Builder) -> None:
    layer: Any = group.anchor.operation
    (value,) = builder.inputs(group.anchor)
    kernel, scale = columns_of(layer)
    affine, make = gain_and_offset(group, layer.units), partial(DynamicDense, layer.units)
    finish_float(group, builder, place_float(group, builder, make, value, kernel, scale, affine))
