"""Dense with dynamic quantization of its rows, with batch normalization and ReLU.

So is an embedding that is called in reverse, with its table as the kernel.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import keras
import numpy as np

from kerasopt.graph import Group, is_reverse
from kerasopt.inference.dynamic_dense import DynamicDense
from kerasopt.lowering.builder import Builder
from kerasopt.lowering.patterns.contraction import (
    columns_of,
    finish_float,
    gain_and_offset,
    place_float,
)
from kerasopt.lowering.quantizers import reads_rounded_rows
from kerasopt.lowering.values import StaysFloat, Value


def matches(group: Group) -> bool:
    is_dense = isinstance(group.anchor.operation, keras.layers.Dense)
    return (is_dense or is_reverse(group.anchor)) and reads_rounded_rows(group.anchor)


def lower(group: Group, builder: Builder) -> None:
    layer: Any = group.anchor.operation
    (value,) = builder.inputs(group.anchor)
    kernel, scale = _columns_of_table(layer) if is_reverse(group.anchor) else columns_of(layer)
    units = kernel.shape[-1]
    affine, make = gain_and_offset(group, units), partial(DynamicDense, units)
    value = place_float(group, builder, make, value, kernel, scale, affine)
    if is_reverse(group.anchor):
        value = _capped(layer, value)
    finish_float(group, builder, value)


def _columns_of_table(layer: Any) -> tuple[np.ndarray, np.ndarray]:
    if layer.reverse_dtype not in (None, "float32"):
        raise StaysFloat(f"it multiplies in {layer.reverse_dtype}")
    if layer.tie_weights:
        return columns_of(layer, "embeddings", np.transpose)
    return columns_of(layer, "reverse_embeddings")


def _capped(layer: Any, value: Value) -> Value:
    cap = layer.logit_soft_cap
    return value if cap is None else Value(keras.ops.tanh(value.tensor / cap) * cap)
