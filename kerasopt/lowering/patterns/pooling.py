"""Averages to `QuantizedAveragePooling2D` and `QuantizedGlobalAveragePooling2D`."""

from __future__ import annotations

from typing import Any

import keras

from kerasopt.graph import Group, unwrap
from kerasopt.inference.integer.average_pooling import QuantizedAveragePooling2D
from kerasopt.inference.integer.global_average_pooling import QuantizedGlobalAveragePooling2D
from kerasopt.lowering.builder import Builder
from kerasopt.lowering.patterns.images import as_image, as_output, pair
from kerasopt.lowering.quantizers import output_affine
from kerasopt.lowering.values import StaysFloat, Value

_GLOBAL = (keras.layers.GlobalAveragePooling1D, keras.layers.GlobalAveragePooling2D)
_WINDOWS = (keras.layers.AveragePooling1D, keras.layers.AveragePooling2D)


def matches(group: Group) -> bool:
    return isinstance(unwrap(group.anchor.operation), (*_GLOBAL, *_WINDOWS))


def lower(group: Group, builder: Builder) -> None:
    pooling: Any = unwrap(group.anchor.operation)
    value = builder.inputs(group.anchor)[0]
    output = output_affine(group)
    if value.affine is None or output is None or len(group.anchor.inputs) > 1:
        raise StaysFloat("its input or its output has no quantizer")
    affines: dict[str, Any] = {"input_affine": value.affine, "output_affine": output}

    def make(name: str) -> keras.Layer:
        if isinstance(pooling, _GLOBAL):
            # The row that a sequence is counts among its pixels.
            keepdims = pooling.keepdims
            return QuantizedGlobalAveragePooling2D(keepdims=keepdims, **affines, name=name)
        pool, strides = pair(pooling.pool_size), pair(pooling.strides)
        return QuantizedAveragePooling2D(pool, strides, pooling.padding, name=name, **affines)

    layer = builder.layer(group.anchor, (value.affine, output), make)
    result = Value(layer(as_image(pooling, value).tensor), output)
    if not isinstance(pooling, _GLOBAL) or pooling.keepdims:
        result = as_output(pooling, result, value)
    builder.put(group.output, result)
