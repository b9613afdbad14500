"""The weights of an integer layer, in one variable."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from kerasopt import ops
from kerasopt.layers.integer.layer import IntegerLayer


class PackedPart:
    """The kernel, the biases or the multipliers in a variable of `kerasopt.ops.PackedWeights`.

    Args:
        packed: The `PackedWeights`.
        index: Integer, 0, 1 or 2.

    Attributes:
        stored: The variable.
        shape: Tuple.
        dtype: String.
    """

    def __init__(self, packed: ops.PackedWeights, index: int):
        self._packed, self._index = packed, index
        self.stored: keras.Variable = packed.values
        self.shape = (packed.channels,) if index else packed.shape
        self.dtype = ("int8", packed.bias_dtype, "float32")[index]

    def numpy(self) -> np.ndarray:
        return keras.ops.convert_to_numpy(self._packed.unpack()[self._index])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.asarray(self.numpy(), dtype)


class PackedLayer(IntegerLayer):
    """Base of the integer layers whose weights are in one variable.

    Attributes:
        packed: `kerasopt.ops.PackedWeights` whose values are an int8 variable.
        kernel: `PackedPart` of int8, symmetric (zero point 0).
        bias: `PackedPart`, a value for each output channel.
    """

    packed: ops.PackedWeights

    def add_packed(self, shape: tuple[int, ...], **packing: Any) -> None:
        """Creates the variable for a kernel of `shape`; see `kerasopt.ops.PackedWeights`.

        Weights and biases are zeros, multipliers ones. They are not packed, which would leave
        TensorFlow's allocator with the memory that it takes.
        """
        packed = ops.PackedWeights(None, shape, **packing)
        multipliers = np.ones(packed.channels, "float32").view("int8")

        def initial(size: tuple[int], dtype: Any) -> Any:
            zeros = keras.ops.zeros((size[0] - multipliers.size,), dtype)
            return keras.ops.concatenate([zeros, multipliers])  # which `PackedWeights` has last

        values = self.add_weight(
            name="packed",
            shape=(packed.size,),
            dtype="int8",
            initializer=initial,
            trainable=False,
        )
        self.packed = packed._replace(values=values)

    @property
    def kernel(self) -> PackedPart:
        return PackedPart(self.packed, 0)

    @property
    def bias(self) -> PackedPart:
        return PackedPart(self.packed, 1)
