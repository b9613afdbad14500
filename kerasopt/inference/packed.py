"""Layers whose weights are in one variable, in the order of the native kernels."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from kerasopt import ops
from kerasopt.inference.layer import InferenceLayer
from kerasopt.keras_internals.variables import set_values

Packed = ops.PackedWeights | ops.SparseWeights


class PackedPart:
    """The kernel, the biases or the multipliers in a variable of packed weights.

    Args:
        packed: The `kerasopt.ops.PackedWeights` or `SparseWeights`.
        index: Integer, 0, 1 or 2.

    Attributes:
        stored: The variable.
        shape: Tuple.
        dtype: String.
        bits: Integer, bits of one value.
    """

    def __init__(self, packed: Packed, index: int):
        self._packed, self._index = packed, index
        self.stored: keras.Variable = packed.values
        self.shape = (packed.channels,) if index else packed.shape
        self.dtype = (packed.dtype, packed.bias_dtype, "float32")[index]
        self.bits = 32 if index else packed.bits

    def numpy(self) -> np.ndarray:
        return keras.ops.convert_to_numpy(self._packed.unpack()[self._index])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.asarray(self.numpy(), dtype)


class PackedLayer(InferenceLayer):
    """Base of the layers whose weights are in one variable.

    Attributes:
        packed_names: Of a class, what there is in the variable.
        packed: `kerasopt.ops.PackedWeights` or `SparseWeights` whose values are an int8 variable.
        kernel: `PackedPart`.
        bias: `PackedPart`, a value for each output channel.
    """

    packed: Any
    packed_names: tuple[str, ...] = ("kernel", "bias", "multiplier")

    def build(self, input_shape: Any) -> None:
        packed = self.empty(self.kernel_shape(input_shape))
        values = self.add_weight(
            name="packed",
            shape=(packed.size,),
            dtype="int8",
            initializer=lambda shape, dtype: packed.initial(),
        )
        self.packed = packed._replace(values=values)

    def kernel_shape(self, input_shape: Any) -> tuple[int, ...]:
        """Returns the shape of the kernel for inputs of a shape."""
        raise NotImplementedError

    def empty(self, shape: tuple[int, ...]) -> Packed:
        """Returns packed weights without values, of a kernel of `shape`."""
        raise NotImplementedError

    def set_packed(self, *arrays: Any) -> None:
        """Packs kernel, biases and, where there are any, multipliers into the variable."""
        set_values(self.packed.values, self.packed.packed_like(*arrays).values)

    @property
    def parts(self) -> dict[str, Any]:
        parts = super().parts
        del parts[self.packed.values.name]
        return {
            name: PackedPart(self.packed, i) for i, name in enumerate(self.packed_names)
        } | parts

    @property
    def bytes(self) -> int:
        return super().bytes - self.packed.size + self.packed.bytes

    @property
    def kernel(self) -> PackedPart:
        return PackedPart(self.packed, 0)

    @property
    def bias(self) -> PackedPart:
        return PackedPart(self.packed, 1)


class FormattedLayer(PackedLayer):
    """Base of the packed layers whose kernel is stored in one of several formats.

    Args:
        weight_format: String, how the kernel is stored; see `kerasopt.ops.PackedWeights`, or
            `"4x1"` for `kerasopt.ops.SparseWeights`. Defaults to the first of `weight_formats`.
        entries: Pair of integers, what those have as `entries` and `block_columns`; `None` for
            other formats.
        **kwargs: The arguments of `InferenceLayer`.

    Raises:
        ValueError: If the layer has no such format.

    Attributes:
        weight_formats: Of a class, the formats that its layers may have.
    """

    weight_formats: tuple[str, ...] = ops.WEIGHT_FORMATS

    def __init__(
        self,
        *,
        weight_format: str | None = None,
        entries: tuple[int, int] | None = None,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        weight_format = weight_format or self.weight_formats[0]
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

    def fit_format(self, kernel: np.ndarray) -> None:
        """Chooses the smallest format that holds a kernel, before the layer is built."""
        if not self.built and "int8" in self.weight_formats:
            smallest = ops.PackedWeights.smallest_format(kernel, **self.packing)
            self.weight_format = smallest if smallest in self.weight_formats else "int8"

    def empty(self, shape: tuple[int, ...]) -> Packed:
        if self.entries is None:
            return ops.PackedWeights(None, shape, **self.packing)
        entries, block_columns = self.entries
        return ops.SparseWeights(None, shape, entries, block_columns, "int8")

    def get_config(self) -> dict[str, Any]:
        own = {"weight_format": self.weight_format, "entries": self.entries}
        return {**super().get_config(), **own}
