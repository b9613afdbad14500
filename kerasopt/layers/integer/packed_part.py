"""What `layer.kernel` is on an integer layer."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from kerasopt import ops


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
