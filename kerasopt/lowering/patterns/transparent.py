"""Operations that move values without computing new ones: the same on int8."""

from __future__ import annotations

from typing import Any

import keras

from kerasopt.graph import Group, unwrap
from kerasopt.layers.integer import Affine
from kerasopt.lowering.builder import Builder
from kerasopt.lowering.patterns.moving import move_integers
from kerasopt.lowering.quantizers import affine_of
from kerasopt.lowering.values import StaysFloat, Value

# What these do, they do in training only.
_IDENTITIES = (
    keras.layers.Activation,  # a transparent one is linear
    keras.layers.Dropout,
    keras.layers.Identity,
    keras.layers.SpatialDropout1D,
    keras.layers.SpatialDropout2D,
    keras.layers.SpatialDropout3D,
)


def matches(group: Group) -> bool:
    return group.transparent


def lower(group: Group, builder: Builder) -> None:
    node = group.anchor
    (value,) = builder.inputs(node)
    if value.affine is None:
        raise StaysFloat("its input is float32")
    if affine_of(node.operation, "output") is not None:
        raise StaysFloat("it has a quantizer, though it keeps the scale of its input")
    operation = unwrap(node.operation)
    if isinstance(operation, _IDENTITIES):
        builder.put(node, value)
    elif isinstance(operation, keras.layers.ZeroPadding2D):
        builder.put(node, Value(_pad(operation, value.tensor, value.affine), value.affine))
    else:
        move_integers(node, builder, [value], value.affine)


def _pad(layer: Any, tensor: keras.KerasTensor, affine: Affine) -> keras.KerasTensor:
    image = [layer.padding[0], layer.padding[1]]
    channels_last = layer.data_format == "channels_last"
    pads = [(0, 0), *image, (0, 0)] if channels_last else [(0, 0), (0, 0), *image]
    # The zero point is the int8 value that stands for the 0.0 of the layer.
    return keras.ops.pad(tensor, pads, constant_values=affine.zero_point)
