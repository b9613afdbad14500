"""Dense on rows that are rounded as they come, with batch normalization and ReLU."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from kerasopt.graph import Group
from kerasopt.inference.integer.dynamic_dense import DynamicDense
from kerasopt.lowering.builder import Builder
from kerasopt.lowering.folding import channel_affine
from kerasopt.lowering.patterns.contraction import columns_of, finish_float
from kerasopt.lowering.quantizers import reads_rounded_rows
from kerasopt.lowering.values import Value


def matches(group: Group) -> bool:
    is_dense = isinstance(group.anchor.operation, keras.layers.Dense)
    return is_dense and reads_rounded_rows(group.anchor)


def lower(group: Group, builder: Builder) -> None:
    layer: Any = group.anchor.operation
    (value,) = builder.inputs(group.anchor)
    kernel, scale = columns_of(layer, "kernel", lambda kernel: kernel)
    normalization = group.batch_normalization
    gain, offset = channel_affine(
        layer, normalization and normalization.operation, kernel.shape[-1]
    )
    made = builder.layer(group.anchor, "dynamic", lambda name: DynamicDense(layer.units, name=name))
    made.fit_format(kernel * np.sign(gain))
    tensor = made(builder.as_float(value).tensor)
    made.set_floats(kernel, scale, gain, offset)
    finish_float(group, builder, Value(tensor))
