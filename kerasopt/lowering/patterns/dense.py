"""Dense, with batch normalization and ReLU, to `QuantizedDense`."""

from __future__ import annotations

from functools import partial
from typing import Any

import keras

from kerasopt.graph import Group, is_linear
from kerasopt.layers.integer import QuantizedDense
from kerasopt.lowering.builder import Builder
from kerasopt.lowering.patterns.contraction import lower_contraction
from kerasopt.lowering.values import Value


def matches(group: Group) -> bool:
    return isinstance(group.anchor.operation, keras.layers.Dense)


def lower(group: Group, builder: Builder) -> None:
    layer: Any = group.anchor.operation
    make = partial(QuantizedDense, layer.units)
    value = lower_contraction(group, builder, make, float_output=True)
    if value.affine is None and not is_linear(layer):
        # Softmax and its like compute in float32, on sums that are not rounded to int8.
        activation = keras.layers.Activation(
            layer.activation, dtype="float32", name=builder.name(group.anchor, "_activation")
        )
        value = Value(activation(value.tensor))
    builder.put(group.output, value)
