"""Weights that a layer holds as integers, and multiplies with inputs that are rounded to int8."""

from __future__ import annotations

import contextlib
import contextvars
import math
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

from kerasopt import ops
from kerasopt.inference.held.held_weight import HeldWeight
from kerasopt.ops import native
from kerasopt.ops.reference.matmul import rounded_rows

_leaves_rows = contextvars.ContextVar("leaves_rows", default=False)


@contextlib.contextmanager
def rows_left_as_they_are() -> Iterator[None]:
    """Does not round what is multiplied by a weight that was read once: the runtime of a file does.

    Only in this thread and inside the context.
    """
    token = _leaves_rows.set(True)
    try:
        yield
    finally:
        _leaves_rows.reset(token)


@keras.saving.register_keras_serializable(package="kerasopt")
class DynamicWeight(HeldWeight):
    """A kernel as int8, for products with rows that are quantized to int8 dynamically.

    See `kerasopt.ops.dynamic_matmul`. A row is what the layer sums over: all inputs of a `Dense`
    layer, and the last axes of those of an `EinsumDense` layer.

    Args:
        contracted: Pair of integers, the first axis of the weight that is summed over, and the
            one after the last.
        weight_format: String, how it is stored; see `kerasopt.ops.PackedWeights`.

    Attributes:
        packed: `kerasopt.ops.PackedWeights` whose values are an int8 variable: a matrix, with the
            axes that are summed over first.
    """

    input_bits = 8
    group = None  # a scale is that of all inputs

    def __init__(self, contracted=(0, 1), weight_format="int8", name=None, **kwargs):
        super().__init__(name=name, **kwargs)
        self.contracted = tuple(contracted)
        self.weight_format = weight_format
        # XLA has no such product: it would unpack the weight in every step.
        self.supports_jit = native.library_for() is None

    def build(self, input_shape):
        super().build(input_shape)
        begin, end = self.contracted
        inputs = self.shape[begin:end]
        self._outputs = self.shape[:begin] + self.shape[end:]
        rows, columns = math.prod(inputs), math.prod(self._outputs)
        packed = ops.PackedWeights(
            None, (rows, columns), bias_dtype="float32", format=self.weight_format
        )
        values = self.add_state("packed", (packed.size,), "int8")
        values.assign(packed.initial())
        self.packed = packed._replace(values=values)
        self.bits = packed.bits

    def set_codes(self, codes: np.ndarray, scale: np.ndarray) -> None:
        """Sets the weight.

        Args:
            codes: int8 array of the weight's shape.
            scale: float32 array that broadcasts to that shape, with one value for each output.
        """
        kernel, scales = (
            keras.ops.convert_to_numpy(self._matrix(values))
            for values in (codes, np.broadcast_to(scale, self.shape))
        )
        arrays = kernel, np.zeros(len(scales[0]), "float32"), scales[0]
        self.packed.values.assign(self.packed.packed_like(*arrays).values)

    def codes(self) -> Any:
        """Returns the integers, an int8 tensor of the weight's shape."""
        return self._of_matrix(self.packed.unpack()[0])

    def scales(self) -> np.ndarray:
        """Returns the scales, along each axis as many as there are."""
        return keras.ops.convert_to_numpy(self._spread_scales())

    def _spread_scales(self) -> Any:
        begin, end = self.contracted
        ones = [1] * (end - begin)
        shape = (*self.shape[:begin], *ones, *self.shape[end:])
        return keras.ops.reshape(self.packed.unpack()[2], shape)

    def call(self, inputs):
        return keras.ops.cast(self.codes(), "float32") * self._spread_scales()

    def multiply(self, inputs, begin, end, values=None):
        if (begin, end) != self.contracted:
            return None
        if values is None:
            return ops.dynamic_matmul(inputs, self.packed)
        kernel = self._matrix(values)
        if _leaves_rows.get():
            return keras.ops.matmul(inputs, kernel)
        codes, scale = rounded_rows(inputs)
        # So that files can multiply integers.
        codes = keras.ops.cast(keras.ops.cast(codes, "int8"), "float32")
        return keras.ops.matmul(codes, kernel) * scale

    def _matrix(self, values: Any) -> Any:
        begin, end = self.contracted
        first = keras.ops.moveaxis(values, tuple(range(begin, end)), tuple(range(end - begin)))
        return keras.ops.reshape(first, self.packed.shape)

    def _of_matrix(self, matrix: Any) -> Any:
        begin, end = self.contracted
        tensor = keras.ops.reshape(matrix, (*self.shape[begin:end], *self._outputs))
        return keras.ops.moveaxis(tensor, tuple(range(end - begin)), tuple(range(begin, end)))

    def get_config(self):
        config = {"contracted": self.contracted, "weight_format": self.weight_format}
        return {**super().get_config(), **config}
