"""Batch normalizations after no kernel, and layer scales, to `QuantizedBatchNormalization`."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from kerasopt.graph import Group, is_layer_scale
from kerasopt.inference.integer.normalization import QuantizedBatchNormalization
from kerasopt.lowering.builder import Builder
from kerasopt.lowering.folding import channel_affine, fold
from kerasopt.lowering.patterns.contraction import finish, input_of, output_of, place
from kerasopt.lowering.values import StaysFloat

# A kernel of one value may be any of these at a scale of its own: what it multiplies with stays.
_KERNELS = np.arange(64, 128, dtype="float64")


def matches(group: Group) -> bool:
    operation = group.anchor.operation
    return isinstance(operation, keras.layers.BatchNormalization) or is_layer_scale(operation)


def lower(group: Group, builder: Builder) -> None:
    layer: Any = group.anchor.operation
    value, output = input_of(group, builder), output_of(group)
    rank = len(value.tensor.shape)
    if getattr(layer, "axis", -1) not in (-1, rank - 1):
        raise StaysFloat("only along the last axis it has an integer form")
    assert value.affine is not None
    gain, offset = _gain_and_offset(layer, value.tensor.shape[-1])
    kernel = _kernel(gain, offset, value.affine.scale)
    weights = fold(kernel, 1 / kernel, gain, offset, value.affine, output.affine)
    make = QuantizedBatchNormalization
    finish(group, builder, place(group, builder, make, value, output, weights))


def _gain_and_offset(layer: Any, channels: int) -> tuple[np.ndarray, np.ndarray]:
    if is_layer_scale(layer):
        return keras.ops.convert_to_numpy(layer.gamma).astype("float64"), np.zeros(channels)
    return channel_affine(None, layer, channels)


def _kernel(gain: np.ndarray, offset: np.ndarray, input_scale: float) -> np.ndarray:
    """Returns, for each channel, the kernel at whose scale the offset is nearest to an integer."""
    with np.errstate(divide="ignore", invalid="ignore"):
        bias = offset * _KERNELS[:, None] / (input_scale * np.abs(gain))
        distance = np.nan_to_num(np.abs(bias - np.rint(bias)), nan=0.0, posinf=0.0)
    return _KERNELS[distance.argmin(axis=0)]
