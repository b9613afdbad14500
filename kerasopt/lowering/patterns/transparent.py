"""Operations that move values without computing new ones: the same on integers."""

from __future__ import annotations

from typing import Any

import keras

from kerasopt.graph import TRAINING_ONLY, Group, casts_floats, unwrap
from kerasopt.inference import Affine
from kerasopt.lowering.builder import Builder
from kerasopt.lowering.patterns.images import pad
from kerasopt.lowering.patterns.moving import move_integers
from kerasopt.lowering.quantizers import affine_of, output_affine
from kerasopt.lowering.values import StaysFloat, Value

_PADDINGS = (
    keras.layers.ZeroPadding1D,
    keras.layers.ZeroPadding2D,
    keras.layers.ZeroPadding3D,
)
_IDENTITIES = (
    *TRAINING_ONLY,
    keras.layers.Activation,  # a transparent one is linear
    keras.layers.Identity,
)


def matches(group: Group) -> bool:
    return group.transparent


def lower(group: Group, builder: Builder) -> None:
    node = group.anchor
    (value,) = builder.inputs(node)
    if value.affine is None:
        # What is rounded after moving may as well be rounded before: padding of an input.
        affine = output_affine(group)
        if affine is None:
            raise StaysFloat("its input is float32")
        value = builder.as_integers(value, affine)
    assert value.affine is not None
    if affine_of(node.operation, "output") is not None:
        raise StaysFloat("it has a quantizer, though it keeps the scale of its input")
    operation = unwrap(node.operation)
    if isinstance(operation, _IDENTITIES) or casts_floats(node):
        builder.put(node, value)
    elif isinstance(operation, _PADDINGS):
        builder.put(node, Value(_pad(operation, value.tensor, value.affine), value.affine))
    else:
        move_integers(node, builder, [value], value.affine)


def _pad(layer: Any, tensor: keras.KerasTensor, affine: Affine) -> keras.KerasTensor:
    padding = layer.padding
    image = [padding] if isinstance(padding[0], int) else list(padding)
    channels_last = getattr(layer, "data_format", "channels_last") != "channels_first"
    widths = [(0, 0), *image, (0, 0)] if channels_last else [(0, 0), (0, 0), *image]
    return pad(tensor, widths, affine)
