"""Operations that move values, called on integers."""

from __future__ import annotations

from typing import Any

import keras

from kerasopt.graph import Node
from kerasopt.inference import Affine
from kerasopt.inference.integer.max_pooling import MaxPooling2D
from kerasopt.lowering.builder import Builder, copy_operation
from kerasopt.lowering.patterns.images import as_image, as_output
from kerasopt.lowering.values import Value

# TensorFlow pools no integers in three dimensions.
_FLOAT_ONLY = (keras.layers.MaxPooling3D,)


def move_integers(node: Node, builder: Builder, values: list[Value], affine: Affine) -> None:
    """Puts the outputs of an operation on integer tensors that have one scale."""
    operation = builder.plain_operation(node)
    if _is_float_only(operation, values):
        # The values that integers stand for are rounded to the same integers.
        values = [builder.as_float(value) for value in values]
        outputs = builder.call(node, builder.float_operation(node), values)
        builder.put(node, *(builder.as_integers(value, affine) for value in outputs))
    elif isinstance(operation, keras.layers.MaxPooling2D):
        builder.put(node, _max_pool(node, builder, operation, values[0], affine))
    elif isinstance(operation, keras.layers.Flatten):
        builder.put(node, Value(_flatten(operation, builder.name(node), values[0].tensor), affine))
    elif isinstance(operation, keras.Layer):
        moved = builder.layer(node, affine.dtype, lambda name: _on_integers(operation, name))
        builder.put(node, *builder.call(node, moved, values, affine))
    else:
        moved = copy_operation(operation, builder.name(node))
        builder.put(node, *builder.call(node, moved, values, affine))


def _is_float_only(operation: keras.Operation, values: list[Value]) -> bool:
    pools = type(operation).__name__ == "MaxPool" and len(values[0].tensor.shape) != 4
    return isinstance(operation, _FLOAT_ONLY) or pools


def _max_pool(node: Node, builder: Builder, layer: Any, value: Value, affine: Affine) -> Value:
    """Pools images whose channels are the last axis: no runtime has others."""
    cls = MaxPooling2D if affine.dtype == "int8" else keras.layers.MaxPooling2D
    config = {**layer.get_config(), "data_format": "channels_last", "dtype": "float32"}
    pool = builder.layer(node, affine.dtype, lambda name: cls.from_config({**config, "name": name}))
    return as_output(layer, Value(pool(as_image(layer, value).tensor), affine), value)


def _flatten(layer: Any, name: str, tensor: keras.KerasTensor) -> keras.KerasTensor:
    """Flattens with the channels last, as the layer does, which runtimes cannot know."""
    rank = len(tensor.shape)
    if layer.data_format == "channels_first" and rank > 2:
        tensor = keras.layers.Permute((*range(2, rank), 1), dtype="float32")(tensor)
    return keras.layers.Flatten(name=name, dtype="float32")(tensor)


def _on_integers(layer: keras.Layer, name: str) -> keras.Layer:
    # A float policy casts no integers.
    return type(layer).from_config({**layer.get_config(), "name": name, "dtype": "float32"})
