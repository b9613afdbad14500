"""Operations that move values, called on int8."""

from __future__ import annotations

import keras

from kerasopt.graph import Node
from kerasopt.layers.integer import Affine, MaxPooling2D
from kerasopt.lowering.builder import Builder, copy_operation
from kerasopt.lowering.values import Value


def move_integers(node: Node, builder: Builder, values: list[Value], affine: Affine) -> None:
    """Puts the outputs of an operation on int8 tensors that have one scale."""
    operation = builder.plain_operation(node)
    if isinstance(operation, keras.Layer):
        moved = builder.layer(node, "int8", lambda name: _on_int8(operation, name))
    else:
        moved = copy_operation(operation, builder.name(node))
    builder.put(node, *builder.call(node, moved, values, affine))


def _on_int8(layer: keras.Layer, name: str) -> keras.Layer:
    is_image_pool = type(layer) is keras.layers.MaxPooling2D
    has_native_form = is_image_pool and layer.data_format == "channels_last"
    cls = MaxPooling2D if has_native_form else type(layer)
    # A float policy casts no integers.
    return cls.from_config({**layer.get_config(), "name": name, "dtype": "float32"})
