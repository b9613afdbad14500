"""Weights that a layer holds as packed integers, and reads as floats."""

from __future__ import annotations

import functools
import math

import keras
import numpy as np

from kerasopt import ops
from kerasopt.graph.channels import Channels
from kerasopt.inference.held.held_weight import HeldWeight
from kerasopt.ops import native

# Widths that can be multiplied as they are.
_MULTIPLIED = (2, 4, 8)
_VECTOR_BITS = 128  # of packed integers that are read at once


@keras.saving.register_keras_serializable(package="kerasopt")
class IntegerWeight(HeldWeight):
    """A weight as packed integers with their scales.

        y = (code - zero_point) * scale

    Args:
        bits: Integer, 1 (for -1 and 1), 2, 4 or 8. A byte holds 8, 4, 2 or 1 of the codes.
        axes: Tuple of axes, along which every index has a scale of its own.
        group: Pair of another axis and an integer: so many neighbours along it
            share a scale. `None`: all along it do.

    Attributes:
        packed: uint8 variable, the codes less the smallest one, the first in
            the lowest bits.
        scale: float32 variable of shape (number of scales,).
        zero_point: int8 variable of that shape.
    """

    def __init__(self, bits=8, axes=(), group=None, name=None, **kwargs):
        super().__init__(name=name, **kwargs)
        self.bits = bits
        self.axes = tuple(axes)
        self.group = None if group is None else tuple(group)
        # XLA has no such product: it would unpack the weight in every step.
        self.supports_jit = native.library_for() is None

    def build(self, input_shape):
        super().build(input_shape)
        self._channels = Channels(self.shape, self.axes, self.group)
        self._size = int(np.prod(self.shape))
        count = self._channels.count
        self.packed = self.add_state("packed", (-(-self._size * self.bits // 8),), "uint8")
        self.scale = self.add_state("scale", (count,), "float32")
        self.zero_point = self.add_state("zero_point", (count,), "int8")

    def set_codes(self, codes, scale, zero_point) -> None:
        """Sets the weight.

        Args:
            codes: Array of whole numbers, of the weight's shape.
            scale: Array that broadcasts to that shape, with one value for each scale.
            zero_point: The same.
        """
        codes = (np.asarray(codes, "int32").ravel() - self._offset) // self._step
        per_byte = 8 // self.bits
        padded = np.zeros(self.packed.shape[0] * per_byte, "uint8")
        padded[: self._size] = codes
        shifts = self.bits * np.arange(per_byte)
        self.packed.assign((padded.reshape(-1, per_byte) << shifts).sum(axis=1).astype("uint8"))
        for variable, values in ((self.scale, scale), (self.zero_point, zero_point)):
            spread = np.broadcast_to(np.asarray(values), self.shape)
            matrix = keras.ops.convert_to_numpy(self._channels.split(spread.astype("float32")))
            variable.assign(matrix[0].astype(variable.dtype))

    def codes(self):
        """Returns the integers, an int32 tensor of the weight's shape."""
        return keras.ops.cast(self._floats(), "int32")

    def scales(self) -> np.ndarray:
        """Returns the scales, along each axis as many as there are."""
        return keras.ops.convert_to_numpy(self.scale).reshape(self._grid)

    def call(self, inputs):
        zero_point = keras.ops.cast(self.zero_point.value, "float32")
        scale, zero_point = map(self._channels.spread, (self.scale.value, zero_point))
        return (self._floats() - zero_point) * scale

    def rows(self, indices):
        scale, zero_point = (self._of_rows(v.value, indices) for v in (self.scale, self.zero_point))
        return (self._float_rows(indices) - zero_point) * scale

    def multiply(self, inputs, begin, end, values=None):
        matrices = self._matrices(begin, end)
        if values is not None or matrices is None or native.library_for(inputs) is None:
            return None
        scale, zero_point = self.scale.value, self.zero_point.value
        if not self.axes and self.group is None:  # one for all
            columns = (math.prod(self.shape[:begin] + self.shape[end:]),)
            scale, zero_point = (
                keras.ops.broadcast_to(each, columns) for each in (scale, zero_point)
            )
        return ops.weight_only_matmul(inputs, self.packed.value, scale, zero_point, **matrices)

    def _matrices(self, begin, end):
        """Returns how the axes are those of packed matrices; `None` if they are not."""
        first, inputs, last = (
            math.prod(axes)
            for axes in (self.shape[:begin], self.shape[begin:end], self.shape[end:])
        )
        transposed = end == len(self.shape)
        shape = (1, inputs, first) if transposed else (first, inputs, last)
        group = inputs if self.group is None else self.group[1]
        outputs = {*range(begin), *range(end, len(self.shape))}
        axes = {axis % len(self.shape) for axis in self.axes}
        is_scaled = axes == outputs or not (axes or self.group)
        is_grouped = self.group is None or self.group[0] == end - 1
        row = (inputs if transposed else last) * self.bits
        # Groups along the bytes of a row are whole vectors.
        is_aligned = row % 8 == 0 and (
            not transposed or group == inputs or group * self.bits % _VECTOR_BITS == 0
        )
        if self.bits not in _MULTIPLIED or not (is_scaled and is_grouped and is_aligned):
            return None
        return {
            "kernel_shape": shape,
            "bits": self.bits,
            "group": group,
            "transposed": transposed,
        }

    def _floats(self):
        """Returns the integers as floats, of the weight's shape."""
        codes = self._unpacked(self.packed.value)
        if codes.shape[0] != self._size:
            codes = codes[: self._size]
        return keras.ops.reshape(codes, self.shape)

    def _float_rows(self, indices):
        """Returns the integers of rows as floats."""
        ops = keras.ops
        rows, width = self.shape
        if width * self.bits % 8 == 0:
            table = ops.reshape(self.packed.value, (rows, -1))
            return self._unpacked(ops.take(table, indices, axis=0))
        # Rows that begin within a byte: the bytes of each number, and which of their parts it is.
        row = ops.where(indices < 0, indices + rows, indices)
        place = ops.expand_dims(row * width, -1) + np.arange(width, dtype="int32")
        per_byte = 8 // self.bits
        byte = ops.cast(ops.take(self.packed.value, place // per_byte, axis=0), "int32")
        parts = ops.take(self._parts.ravel(), byte * per_byte + place % per_byte, axis=0)
        return ops.cast(parts, "float32")

    def _of_rows(self, values, indices):
        """Returns what scales or zero points are of rows, in a shape that broadcasts to theirs."""
        ops = keras.ops
        (rows, width), (along_rows, along_width) = self.shape, self._grid
        grid = ops.reshape(values, self._grid)
        if along_rows == 1:
            found = grid[0]
        else:
            each = rows // along_rows
            found = ops.take(grid, indices if each == 1 else indices // each, axis=0)
        found = ops.cast(found, "float32")
        repeated = width // along_width
        return found if along_width in (1, width) else ops.repeat(found, repeated, axis=-1)

    @property
    def _grid(self) -> tuple[int, ...]:
        """How many scales there are along each axis."""
        sizes = [1] * len(self.shape)
        for axis in self.axes:
            sizes[axis] = self.shape[axis]
        if self.group is not None:
            axis, length = self.group
            sizes[axis] = self.shape[axis] // length
        return tuple(sizes)

    def _unpacked(self, packed):
        """Returns the integers in bytes as floats, along the last axis."""
        ops = keras.ops
        if self.bits == 8:
            return ops.cast(packed, "float32") + self._offset
        # A table: runtimes have no bitwise operators on bytes, or slow ones.
        parts = ops.take(self._parts, ops.cast(packed, "int32"), axis=0)
        parts = ops.cast(parts, "float32")
        return ops.reshape(parts, (*ops.shape(packed)[:-1], packed.shape[-1] * 8 // self.bits))

    @functools.cached_property
    def _parts(self) -> np.ndarray:
        """The integers that each byte holds."""
        shifts = self.bits * np.arange(8 // self.bits)
        codes = (np.arange(256)[:, None] >> shifts) & (2**self.bits - 1)
        return (codes * self._step + self._offset).astype("int8")

    @property
    def _step(self) -> int:
        return 2 if self.bits == 1 else 1

    @property
    def _offset(self) -> int:
        return -1 if self.bits == 1 else -(2 ** (self.bits - 1))

    def get_config(self):
        config = {"bits": self.bits, "axes": self.axes, "group": self.group}
        return {**super().get_config(), **config}
