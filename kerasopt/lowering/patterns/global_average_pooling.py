"""GlobalAveragePooling2D to `QuantizedGlobalAveragePooling2D`."""

from __future__ import annotations

from typing import Any

import keras

from kerasopt.graph import Group
from kerasopt.layers.integer import QuantizedGlobalAveragePooling2D
from kerasopt.lowering.builder import Builder
from kerasopt.lowering.quantizers import output_affine
from kerasopt.lowering.values import StaysFloat, Value


def matches(group: Group) -> bool:
    return isinstance(group.anchor.operation, keras.layers.GlobalAveragePooling2D)


def lower(group: Group, builder: Builder) -> None:
    pooling: Any = group.anchor.operation
    (value,) = builder.inputs(group.anchor)
    output = output_affine(group)
    if value.affine is None or output is None:
        raise StaysFloat("its input or its output has no quantizer")
    if pooling.data_format != "channels_last":
        raise StaysFloat("only data_format='channels_last' has an integer form")
    layer = builder.layer(
        group.anchor,
        (value.affine, output),
        lambda name: QuantizedGlobalAveragePooling2D(
            input_affine=value.affine, output_affine=output, keepdims=pooling.keepdims, name=name
        ),
    )
    builder.put(group.output, Value(layer(value.tensor), output))
