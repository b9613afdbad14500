"""LayerNormalization to `QuantizedLayerNormalization`."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from kerasopt.graph import Group
from kerasopt.inference.integer.normalization import QuantizedLayerNormalization
from kerasopt.lowering.builder import Builder
from kerasopt.lowering.patterns.contraction import input_of, output_of
from kerasopt.lowering.values import StaysFloat, Value

_LARGEST_SIZE = 32768  # beyond, the sum of squares may leave int32


def matches(group: Group) -> bool:
    return isinstance(group.anchor.operation, keras.layers.LayerNormalization)


def lower(group: Group, builder: Builder) -> None:
    layer: Any = group.anchor.operation
    value, output = input_of(group, builder), output_of(group)
    shape = value.tensor.shape
    axes = [layer.axis] if isinstance(layer.axis, int) else list(layer.axis)
    if [axis % len(shape) for axis in axes] != [len(shape) - 1] or shape[-1] > _LARGEST_SIZE:
        raise StaysFloat("only along the last axis it has an integer form")
    made = builder.layer(
        group.anchor,
        (value.affine, output),
        lambda name: QuantizedLayerNormalization(
            layer.epsilon, input_affine=value.affine, output_affine=output.affine, name=name
        ),
    )
    tensor = made(value.tensor)
    made.set_arrays(_numbers(layer.gamma, 1.0, shape[-1]), _numbers(layer.beta, 0.0, shape[-1]))
    builder.put(group.output, Value(tensor, output.affine))


def _numbers(variable: Any, default: float, size: int) -> np.ndarray:
    return np.full(size, default) if variable is None else keras.ops.convert_to_numpy(variable)
