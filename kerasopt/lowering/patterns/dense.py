"""Dense, with batch normalization and ReLU, to `QuantizedDense`."""

from __future__ import annotations

from functools import partial
from typing import Any

import keras

from kerasopt.graph import Group
from kerasopt.inference.integer.dense import QuantizedDense
from kerasopt.lowering.builder import Builder
from kerasopt.lowering.patterns.contraction import finish, lower_contraction


def matches(group: Group) -> bool:
    return isinstance(group.anchor.operation, keras.layers.Dense)


def lower(group: Group, builder: Builder) -> None:
    layer: Any = group.anchor.operation
    make = partial(QuantizedDense, layer.units)
    finish(group, builder, lower_contraction(group, builder, make))
