"""Weights that a layer holds in few bits, and reads as floats."""

from __future__ import annotations

import keras
import numpy as np

from kerasopt.parametrization import Parametrization
from kerasopt.quantization.channels import Channels
from kerasopt.quantization.quantizer import Quantizer

_WIDTHS = (1, 2, 4, 8)


class HeldWeight(Parametrization):
    """Base of the links that hold a weight themselves.

    Attributes:
        shape: Tuple of integers, the shape of the weight.
        bits: Integer, the bits of one value.
    """

    order = Quantizer.order
    holds_weight = True
    bits: int

    def build(self, input_shape):
        self.shape = tuple(input_shape)
        self.built = True

    def compute_output_shape(self, input_shape):
        return self.shape

    def add_state(self, name, shape, dtype):
        """Returns a new variable that is not trained."""
        return self.add_weight(
            name=name, shape=shape, dtype=dtype, initializer="zeros", trainable=False
        )


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
        ops = keras.ops
        shifts = np.arange(0, 8, self.bits, dtype="uint8")
        packed = ops.expand_dims(self.packed.value, -1)
        codes = ops.bitwise_and(ops.right_shift(packed, shifts), 2**self.bits - 1)
        codes = ops.cast(ops.reshape(codes, (-1,))[: self._size], "int32")
        return ops.reshape(codes * self._step + self._offset, self.shape)

    def call(self, inputs):
        ops = keras.ops
        codes = self._channels.split(self.codes()) - ops.cast(self.zero_point.value, "int32")
        return self._channels.merge(ops.cast(codes, "float32") * self.scale.value)

    @property
    def _step(self) -> int:
        return 2 if self.bits == 1 else 1

    @property
    def _offset(self) -> int:
        return -1 if self.bits == 1 else -(2 ** (self.bits - 1))

    def get_config(self):
        config = {"bits": self.bits, "axes": self.axes, "group": self.group}
        return {**super().get_config(), **config}


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

    def get_config(self):
        return {**super().get_config(), "dtype_held": self.dtype_held}


def holds(quantizer: Quantizer) -> bool:
    """Whether there is a link that holds what a quantizer makes of a weight."""
    return quantizer.bits <= max(_WIDTHS) or not hasattr(quantizer, "codes")


def held_weight(quantizer: Quantizer, weight) -> HeldWeight:
    """Returns a link that holds what a quantizer makes of a weight.

    Args:
        quantizer: A `WeightQuantizer` or `Cast`.
        weight: Float32 tensor, what it receives.
    """
    shape = tuple(weight.shape)
    if not hasattr(quantizer, "codes"):
        half = HalfWeight(quantizer.format.dtype)
        half.build(shape)
        half.values.assign(keras.ops.cast(weight, quantizer.format.dtype))
        return half
    codes, scale, zero_point = map(keras.ops.convert_to_numpy, quantizer.codes(weight))
    axis = quantizer.axis
    axes = () if axis is None else axis if isinstance(axis, tuple) else (axis,)
    held = IntegerWeight(_width(codes), axes, quantizer.group)
    held.build(shape)
    held.set_codes(codes, scale, zero_point)
    return held


def _width(codes: np.ndarray) -> int:
    """Returns how few bits hold all codes."""
    if np.isin(codes, (-1, 1)).all():
        return 1
    low, high = codes.min(), codes.max()
    return next(
        bits for bits in _WIDTHS[1:] if -(2 ** (bits - 1)) <= low and high < 2 ** (bits - 1)
    )
