"""Operations that move values, called on integers."""

from __future__ import annotations

import keras

from kerasopt.graph import Node
from kerasopt.layers.integer import Affine, MaxPooling2D
from kerasopt.lowering.builder import Builder, copy_operation
from kerasopt.lowering.values import Value


def move_integers(node: Node, builder: Builder, values: list[Value], affine: Affine) -> None:
    """Puts the outputs of an operation on integer tensors that have one scale."""
    operation = builder.plain_operation(node)
    if isinstance(operation, keras.Layer):
        dtype = affine.dtype
        moved = builder.layer(node, dtype, lambda name: _on_integers(operation, dtype, name))
    else:
        moved = copy_operation(operation, builder.name(node))
    builder.put(node, *builder.call(node, moved, values, affine))


def _on_integers(layer: keras.Layer, dtype: str, name: str) -> keras.Layer:
    is_image_pool = type(layer) is keras.layers.MaxPooling2D and dtype == "int8"
    has_native_form = is_image_pool and layer.data_format == "channels_last"
    cls = MaxPooling2D if has_native_form else type(layer)
    # A float policy casts no integers.
    return cls.from_config({**layer.get_config(), "name": name, "dtype": "float32"})
