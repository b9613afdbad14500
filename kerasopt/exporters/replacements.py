"""Operators that converters do not know in all their forms, by those that they do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from kerasopt.exporters.fourier import imaginary_part, real_part
from kerasopt.exporters.replacing import Replacement
from kerasopt.exporters.resizing import resized_by_products


def _absolute(operation: Any, function: Any) -> Any:
    # LiteRT has no ABS of these.
    (x,) = operation.inputs
    return tf.maximum(x, -x) if x.dtype in (tf.int64, tf.int16, tf.int8) else None


def _sign(operation: Any, function: Any) -> Any:
    # LiteRT has no SIGN of these.
    (x,) = operation.inputs
    one = tf.constant(1, x.dtype)
    return tf.clip_by_value(x, -one, one) if x.dtype in (tf.int64, tf.int16, tf.int8) else None


def _multiplied(operation: Any, function: Any) -> Any:
    # LiteRT has no einsum of unknown sizes that is no product of matrices.
    inputs, output = operation.get_attr("equation").decode().replace(" ", "").split("->")
    first, *others = map(tuple, inputs.split(","))
    summed = [letter for letter in first if letter not in output]
    order = [*output, *summed]
    if len(others) != 1 or set(order) != {*first, *others[0]} or "." in inputs:
        return None
    if summed and set(first) != set(others[0]):
        return None  # the products would take more memory than the result
    if any(len(set(letters)) < len(letters) for letters in (first, others[0])):
        return None  # a diagonal
    factors = []
    for x, letters in zip(operation.inputs, (first, others[0]), strict=True):
        x = tf.transpose(x, [letters.index(letter) for letter in order if letter in letters])
        for axis, letter in enumerate(order):
            x = x if letter in letters else tf.expand_dims(x, axis)
        factors.append(x)
    product = tf.multiply(*factors)
    return tf.reduce_sum(product, range(len(output), len(order))) if summed else product


def _rolled(operation: Any, function: Any) -> Any:
    # LiteRT has no such operator.
    x, shifts, axes = operation.inputs
    shifts, axes = map(tf.get_static_value, (shifts, axes))
    if shifts is None or axes is None:
        return None
    for shift, axis in zip(shifts.ravel(), axes.ravel(), strict=True):
        size = tf.shape(x)[axis] if x.shape[axis] is None else x.shape[axis]
        at = size - shift % size
        before = [slice(None)] * (int(axis) % len(x.shape))
        x = tf.concat([x[*before, at:], x[*before, :at]], axis)
    return x


def _sliced(operation: Any, function: Any) -> Any:
    # Of tensors of unknown sizes LiteRT has no slice that adds axes.
    x, *ends = operation.inputs
    masks = {name: operation.get_attr(f"{name}_mask") for name in _MASKS}
    if not masks["new_axis"]:
        return None
    places = range(ends[0].shape[0])
    kept = [place for place in places if not masks["new_axis"] >> place & 1]
    y = x
    if kept:
        bits = {name: _selected(mask, kept) for name, mask in masks.items()}
        y = tf.raw_ops.StridedSlice(
            input=x,
            **{name: tf.gather(end, kept) for name, end in zip(_ENDS, ends, strict=True)},
            **{f"{name}_mask": mask for name, mask in bits.items()},
        )
    axis, named = 0, len(kept) - bool(masks["ellipsis"])
    for place in places:
        if masks["new_axis"] >> place & 1:
            y = tf.expand_dims(y, axis)
            axis += 1
        elif masks["ellipsis"] >> place & 1:
            axis += len(x.shape) - named
        else:
            axis += not masks["shrink_axis"] >> place & 1
    return y


def _stacked(operation: Any, function: Any) -> Any:
    # ONNX has no `tf.TensorArray`, LiteRT only some: those that a loop in Python has filled.
    written = operation.inputs[0].op
    items: dict[int | None, Any] = {}
    while written.type == "TensorListSetItem":
        place = tf.get_static_value(written.inputs[1])
        items.setdefault(None if place is None else int(place), written.inputs[2])
        written = written.inputs[0].op
    is_whole = written.type == "TensorListReserve" and set(items) == set(range(len(items)))
    if not is_whole or tf.get_static_value(written.inputs[1]) != len(items):
        return None
    return tf.stack([items[place] for place in range(len(items))])


_MASKS = ("begin", "ellipsis", "end", "new_axis", "shrink_axis")
_ENDS = ("begin", "end", "strides")


def _selected(mask: int, places: list[int]) -> int:
    """Returns a mask of some of the bits of another one."""
    return sum((mask >> place & 1) << at for at, place in enumerate(places))


REPLACEMENTS: Mapping[str, Replacement] = {
    "Abs": _absolute,
    "Einsum": _multiplied,
    "Imag": imaginary_part,
    "Real": real_part,
    "ResizeArea": resized_by_products,
    "ResizeBicubic": resized_by_products,
    "Roll": _rolled,
    "ScaleAndTranslate": resized_by_products,
    "Sign": _sign,
    "StridedSlice": _sliced,
    "TensorListStack": _stacked,
}
