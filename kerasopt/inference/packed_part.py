"""The weights of an integer layer, in one variable."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from kerasopt import ops
from kerasopt.inference.integer.layer import IntegerLayer
from kerasopt.keras_internals import set_values

Packed = ops.PackedWeights | ops.SparseWeights


def add_packed(layer: keras.Layer, packed: Any) -> Any:
    """Returns packed weights with a new variable of a layer, of zeros and multipliers of 1."""
    values = layer.add_weight(
        name="packed",
        shape=(packed.size,),
        dtype="int8",
        initializer=lambda shape, dtype: packed.initial(),
        trainable=False,
    )
    return packed._replace(values=values)


class PackedPart:
    """The kernel, the biases or the multipliers in a variable of `kerasopt.ops.PackedWeights`.

    Args:
        packed: The `PackedWeights` or `SparseWeights`.
        index: Integer, 0, 1 or 2.

    Attributes:
        stored: The variable.
        shape: Tuple.
        dtype: String.
    """

    def __init__(self, packed: Packed, index: int):
        self._packed, self._index = packed, index
        self.stored: keras.Variable = packed.values
        self.shape = (packed.channels,) if index else packed.shape
        self.dtype = (packed.dtype, packed.bias_dtype, "float32")[index]

    def numpy(self) -> np.ndarray:
        return keras.ops.convert_to_numpy(self._packed.unpack()[self._index])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.asarray(self.numpy(), dtype)


class PackedLayer(IntegerLayer):
    """Base of the integer layers whose weights are in one variable.

    Args:
        weight_format: String, how the kernel is stored; see `kerasopt.ops.PackedWeights`, or
            `"4x1"` for `kerasopt.ops.SparseWeights`.
        entries: Pair of integers, what those have as `entries` and `block_columns`; `None` for
            other formats.
        **kwargs: The arguments of `IntegerLayer`.

    Raises:
        ValueError: If the layer has no such format.

    Attributes:
        weight_formats: Of a class, the formats that its layers may have.
        packed: `kerasopt.ops.PackedWeights` whose values are an int8 variable.
        kernel: `PackedPart` of int8, symmetric (zero point 0).
        bias: `PackedPart`, a value for each output channel.
    """

    packed: Packed
    weight_formats: tuple[str, ...] = ops.WEIGHT_FORMATS

    def __init__(
        self,
        *,
        weight_format: str = "int8",
        entries: tuple[int, int] | None = None,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        if weight_format not in self.weight_formats:
            raise ValueError(
                f"`weight_format` of {type(self).__name__} must be one of {self.weight_formats}. "
                f"Received: weight_format={weight_format!r}"
            )
        if (weight_format == "4x1") != (entries is not None):
            raise ValueError(
                'A layer with weight_format="4x1", and no other, has `entries`. '
                f"Received: weight_format={weight_format!r}, entries={entries}"
            )
        self.weight_format = weight_format
        self.entries = None if entries is None else tuple(entries)

    @property
    def packing(self) -> dict[str, Any]:
        """The arguments of `kerasopt.ops.PackedWeights` beside its values and shape."""
        return {"format": self.weight_format}

    def kernel_shape(self, input_shape: Any) -> tuple[int, ...]:
        """Returns the shape of the kernel for inputs of a shape."""
        raise NotImplementedError

    def fit_format(self, kernel: np.ndarray) -> None:
        """Chooses the smallest format that holds a kernel, before the layer is built."""
        if not self.built:
            smallest = ops.PackedWeights.smallest_format(kernel, **self.packing)
            self.weight_format = smallest if smallest in self.weight_formats else "int8"

    def add_packed(self, shape: tuple[int, ...]) -> None:
        """Creates the variable for a kernel of `shape`, of zeros and multipliers of 1."""
        packed: Packed
        if self.entries is None:
            packed = ops.PackedWeights(None, shape, **self.packing)
        else:
            count, block_columns = self.entries
            packed = ops.SparseWeights(None, shape, count, block_columns, "int8")
        self.packed = add_packed(self, packed)

    def set_packed(self, kernel: Any, bias: Any, multiplier: Any) -> None:
        """Packs arrays into the variable."""
        set_values(self.packed.values, self.packed.packed_like(kernel, bias, multiplier).values)

    @property
    def kernel(self) -> PackedPart:
        return PackedPart(self.packed, 0)

    @property
    def bias(self) -> PackedPart:
        return PackedPart(self.packed, 1)

    def get_config(self) -> dict[str, Any]:
        own = {"weight_format": self.weight_format, "entries": self.entries}
        return {**super().get_config(), **own}
