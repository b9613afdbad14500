"""Axes of values put into another order, merged and divided."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from kerasopt.keras_internals.graphs import call_of, producer
from kerasopt.lowering.values import StaysFloat, Value


def permuted(value: Value, order: Sequence[int], name: str | None = None) -> Value:
    """Returns a value with its axes after the first one in another order, as Keras' `Permute`."""
    if keeps_order(order):
        return value
    undone = None if name else _before(value.tensor, order)
    if undone is not None:
        return Value(undone, value.affine)
    permute = keras.layers.Permute(tuple(order), dtype="float32", name=name)
    return Value(permute(value.tensor), value.affine)


def _before(tensor: keras.KerasTensor, order: Sequence[int]) -> keras.KerasTensor | None:
    """Returns what a tensor was before its axes were put into the order that `order` undoes."""
    permute: Any = producer(tensor) if isinstance(tensor, keras.KerasTensor) else None
    if not isinstance(permute, keras.layers.Permute):
        return None
    if not keeps_order([permute.dims[axis - 1] for axis in order]):
        return None
    return call_of(tensor).arguments.args[0]


def keeps_order(order: Sequence[int]) -> bool:
    """Whether an order of the axes after the first one is the one they have."""
    return list(order) == list(range(1, len(order) + 1))


def with_shape(value: Value, sizes: Sequence[int | None]) -> Value:
    """Returns a value in another shape; the first axis stays, one other may have no known size."""
    if list(sizes).count(None) > 1:
        raise StaysFloat("more than one of its axes has no known size")
    target = tuple(-1 if size is None else size for size in sizes)
    return Value(keras.layers.Reshape(target, dtype="float32")(value.tensor), value.affine)
