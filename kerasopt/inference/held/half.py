"""Weights that a layer holds in 16 bits, and reads as floats."""

from __future__ import annotations

import functools

import keras
import numpy as np

from kerasopt.inference.held.held_weight import HeldWeight


@keras.saving.register_keras_serializable(package="kerasopt")
class HalfWeight(HeldWeight):
    """A weight in 16 bits.

    Args:
        dtype_held: `"float16"` or `"bfloat16"`.

    Attributes:
        values: Variable of that dtype and of the weight's shape.
    """

    bits = 16

    def __init__(self, dtype_held="float16", name=None, **kwargs):
        super().__init__(name=name, **kwargs)
        self.dtype_held = dtype_held

    def build(self, input_shape):
        super().build(input_shape)
        self.values = self.add_state("values", self.shape, self.dtype_held)

    def call(self, inputs):
        return keras.ops.cast(self.values.value, "float32")

    def rows(self, indices):
        # No runtime looks up 16-bit floats: they are made of their bits, sign and exponent by a
        # table, all of it exact.
        ops = keras.ops
        bits = ops.take(ops.view(self.values.value, "int16"), indices, axis=0)
        bits = ops.cast(bits, "float32")
        first, steps = self._exponents
        fractions = 2**16 // len(first)
        exponent = ops.floor(bits / fractions)
        fraction = bits - exponent * fractions
        place = ops.cast(exponent, "int32") + len(first) // 2
        return ops.take(first, place, axis=0) + fraction * ops.take(steps, place, axis=0)

    @functools.cached_property
    def _exponents(self) -> tuple[np.ndarray, np.ndarray]:
        """The first number of each sign and exponent, in the order of the bits, and their steps."""
        fractions = 2 ** (10 if self.dtype_held == "float16" else 7)
        bits = np.arange(-(2**15), 2**15, fractions).astype("int16")
        first, second = (
            (bits + np.int16(each)).view(np.dtype(self.dtype_held)).astype("float32")
            for each in (0, 1)
        )
        with np.errstate(invalid="ignore"):
            return first, second - first

    def get_config(self):
        return {**super().get_config(), "dtype_held": self.dtype_held}
