"""Layers that stay float, with weights in few bits."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from kerasopt.graph import layers, slots_of
from kerasopt.inference.held import DynamicWeight, HalfWeight, HeldWeight, IntegerWeight
from kerasopt.lowering.quantizers import rounded_axes
from kerasopt.ops import PackedWeights
from kerasopt.parametrization import (
    ACTIVATION_SLOTS,
    links_by_slot,
    parametrize,
    read_until,
)
from kerasopt.quantization import Quantizer

_WIDTHS = (1, 2, 4, 8)


def hold_weights(source: keras.Layer, plain: keras.Layer) -> None:
    """Lets a layer hold the weights in few bits that its source rounds to them.

    Args:
        source: A layer with quantizers, or with layers inside that have.
        plain: A layer of the same structure without any.
    """
    inner = dict(layers(plain))
    for path, layer in [("", source), *layers(source)]:
        target = inner.get(path, plain)
        for slot, quantizer in links_by_slot(layer, Quantizer):
            # A layer that is called twice is met twice.
            if slot in (*ACTIVATION_SLOTS, *slots_of(target)) or not _holds(quantizer):
                continue
            weight = read_until(layer, slot, quantizer)
            held = _held(quantizer, weight, rounded_axes(layer, slot))
            parametrize(plain, f"{path}/{slot}".lstrip("/"), held)


def _holds(quantizer: Quantizer) -> bool:
    """Whether there is a link that holds what a quantizer makes of a weight."""
    return quantizer.bits <= max(_WIDTHS) or not hasattr(quantizer, "codes")


def _held(quantizer: Any, weight: Any, contracted: tuple[int, int] | None) -> HeldWeight:
    """Returns a link that holds what a quantizer makes of a weight.

    Args:
        quantizer: A `WeightQuantizer` or `Cast`.
        weight: Float32 tensor, what it receives.
        contracted: What `rounded_axes` returns.
    """
    shape = tuple(weight.shape)
    if not hasattr(quantizer, "codes"):
        half = HalfWeight(quantizer.format.dtype)
        half.build(shape)
        half.values.assign(keras.ops.cast(weight, quantizer.format.dtype))
        return half
    codes, scale, zero_point = map(keras.ops.convert_to_numpy, quantizer.codes(weight))
    if contracted is not None and _are_of_outputs(scale, contracted) and not zero_point.any():
        return _dynamic(codes.astype("int8"), scale, contracted)
    axis = quantizer.axis
    axes = () if axis is None else axis if isinstance(axis, tuple) else (axis,)
    held = IntegerWeight(_width(codes), axes, quantizer.group)
    held.build(shape)
    held.set_codes(codes, scale, zero_point)
    return held


def _are_of_outputs(scale: np.ndarray, contracted: tuple[int, int]) -> bool:
    """Whether scales that broadcast to a weight are the same along the axes summed over."""
    return not scale.ndim or set(scale.shape[slice(*contracted)]) == {1}


def _dynamic(codes: np.ndarray, scale: np.ndarray, contracted: tuple[int, int]) -> DynamicWeight:
    matrix = np.moveaxis(codes, range(*contracted), range(contracted[1] - contracted[0]))
    rows = int(np.prod(codes.shape[slice(*contracted)]))
    smallest = PackedWeights.smallest_format(matrix.reshape(rows, -1), bias_dtype="float32")
    held = DynamicWeight(contracted, smallest)
    held.build(codes.shape)
    held.set_codes(codes, scale)
    return held


def _width(codes: np.ndarray) -> int:
    """Returns how few bits hold all codes."""
    if np.isin(codes, (-1, 1)).all():
        return 1
    low, high = codes.min(), codes.max()
    return next(
        bits for bits in _WIDTHS[1:] if -(2 ** (bits - 1)) <= low and high < 2 ** (bits - 1)
    )
