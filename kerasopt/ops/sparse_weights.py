"""The weights of a sparse matrix multiplication in one tensor, in the order of its native kernels.

An element is the unit of sparsity: the int8 weights of four neighbouring inputs and one output (a
4x1 block), or one float32 weight. If neighbouring outputs have elements in the same rows, four of
them share an entry. The tensor contains, in the byte order of the machine:

    values elements of each entry, by blocks of outputs, rows ascending ends uint32, for each block
    of outputs, where the next one begins bias int32 for int8 weights, float32 for float32 ones
    multiplier float32, of int8 weights only rows uint16, the row of each entry, in elements
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from keras import ops

_MOST_ELEMENTS = 65536
_BLOCKS = (1, 4)
_INPUTS = {"int8": 4, "float32": 1}  # of an element


class SparseWeights(NamedTuple):
    """Kernel, biases and multipliers of a sparse matrix multiplication.

    ```python
    kernel = np.eye(64, 10, dtype="float32")  # mostly zeros
    weights = SparseWeights.pack(kernel, np.zeros(10, "float32"))
    y = kerasopt.ops.sparse_matmul(np.ones((2, 64), "float32"), weights)
    ```

    Attributes:
        values: int8 tensor of shape `(size,)`.
        shape: Tuple, the shape of the kernel, `(inputs, units)`, or of a pointwise convolution,
            `(1, 1, channels, filters)`.
        entries: Integer, the number of stored entries.
        block_columns: Integer, 1 or 4, the number of outputs that share an entry.
        dtype: String, `"int8"` or `"float32"`.
    """

    values: Any
    shape: tuple[int, ...]
    entries: int
    block_columns: int
    dtype: str

    @classmethod
    def pack(cls, kernel: Any, bias: Any, multiplier: Any = None) -> SparseWeights:
        """Packs arrays.

        Args:
            kernel: int8 or float32 array of one of the shapes above.
            bias: int32 array, or float32 for a float32 kernel, with one value for each output.
            multiplier: float32 array with a value for each output, for an int8 kernel.

        Returns:
            `SparseWeights`, with the block size that takes fewer bytes.

        Raises:
            ValueError: If the kernel has more than 65,536 elements in a column.
        """
        kernel = ops.convert_to_numpy(kernel)
        candidates = [cls._of(kernel, columns) for columns in _BLOCKS]
        packed = min((packed for packed, _ in candidates), key=lambda packed: packed.size)
        values, ends, rows = dict(candidates)[packed]
        vectors = [ops.convert_to_numpy(bias)]
        if packed.dtype == "int8":
            vectors.append(ops.convert_to_numpy(multiplier))
        parts = [values, ends, *vectors, rows]
        return packed._replace(values=np.concatenate([part.view("int8").ravel() for part in parts]))

    @classmethod
    def _of(cls, kernel: np.ndarray, columns: int) -> tuple[SparseWeights, tuple[np.ndarray, ...]]:
        packed = cls(None, kernel.shape, 0, columns, str(kernel.dtype))
        elements, inputs, blocks = packed._elements, packed._inputs, packed._blocks
        if elements > _MOST_ELEMENTS:
            raise ValueError(
                f"A sparse kernel must have at most {_MOST_ELEMENTS} elements in a column. "
                f"Received: kernel.shape={kernel.shape}"
            )
        depth, units = kernel.shape[-2:]
        missing = (0, elements * inputs - depth), (0, blocks * columns - units)
        x = np.pad(kernel.reshape(depth, units), missing)
        x = x.reshape(elements, inputs, blocks, columns).transpose(2, 0, 3, 1)
        is_stored = x.any(axis=(2, 3))
        _, rows = np.nonzero(is_stored)
        ends = np.cumsum(is_stored.sum(1)).astype("uint32")
        return packed._replace(entries=len(rows)), (x[is_stored], ends, rows.astype("uint16"))

    def packed_like(self, kernel: Any, bias: Any, multiplier: Any = None) -> SparseWeights:
        """Packs other arrays in the same way.

        Raises:
            ValueError: If the number of entries differs.
        """
        packed = self.pack(kernel, bias, multiplier)
        if packed._replace(values=None) != self._replace(values=None):
            raise ValueError(
                f"The kernel must have {self.entries} entries of {self.block_columns} outputs. "
                f"Received: {packed.entries} of {packed.block_columns}"
            )
        return packed

    def initial(self) -> np.ndarray:
        """Returns values for entries and biases of zeros, and multipliers of 1."""
        parts = [np.zeros(count, dtype) for count, dtype in self._layout]
        parts[1][:] = np.minimum(np.arange(1, self._blocks + 1) * self._elements, self.entries)
        parts[-1][:] = np.arange(self.entries) % self._elements
        if self.dtype == "int8":
            parts[3][:] = 1.0
        return np.concatenate([part.view("int8") for part in parts])

    def unpack(self) -> tuple[Any, Any, Any]:
        """Returns kernel, bias and multiplier, which is `None` for a float32 kernel."""
        *parts, rows = self._parts()
        values, ends, bias, multiplier = (*parts, None)[:4]
        entry = ops.arange(self.entries, dtype="int32")
        block = ops.searchsorted(ops.cast(ends, "int32"), entry, side="right")
        row = ops.cast(block, "int32") * self._elements + ops.cast(rows, "int32")
        size = self.size_of_entry
        kernel = ops.scatter(
            row[:, None],
            ops.cast(ops.reshape(values, (self.entries, size)), self._sum_dtype),
            (self._blocks * self._elements, size),
        )
        kernel = ops.cast(kernel, self.dtype)
        shape = self._blocks, self._elements, self.block_columns, self._inputs
        kernel = ops.transpose(ops.reshape(kernel, shape), (1, 3, 0, 2))
        kernel = ops.reshape(kernel, (self._elements * self._inputs, -1))
        kernel = kernel[: self.shape[-2], : self.channels]
        return ops.reshape(kernel, self.shape), bias, multiplier

    @property
    def channels(self) -> int:
        """The number of outputs."""
        return self.shape[-1]

    @property
    def bias_dtype(self) -> str:
        return self._sum_dtype

    @property
    def bits(self) -> int:
        """The bits of one weight."""
        return 8 * np.dtype(self.dtype).itemsize

    @property
    def bytes(self) -> int:
        """The number of bytes, without padding."""
        return self.size

    @property
    def size(self) -> int:
        """The number of bytes."""
        return sum(count * np.dtype(dtype).itemsize for count, dtype in self._layout)

    @property
    def size_of_entry(self) -> int:
        """The number of weights of an entry."""
        return self.block_columns * self._inputs

    @property
    def _inputs(self) -> int:
        return _INPUTS[self.dtype]

    @property
    def _elements(self) -> int:
        return math.ceil(self.shape[-2] / self._inputs)

    @property
    def _blocks(self) -> int:
        return math.ceil(self.channels / self.block_columns)

    @property
    def _sum_dtype(self) -> str:
        return "int32" if self.dtype == "int8" else "float32"

    @property
    def _layout(self) -> list[tuple[int, str]]:
        """Counts and dtypes of the parts."""
        vectors = [(self.channels, self._sum_dtype), (self.channels, "float32")]
        return [
            (self.entries * self.size_of_entry, self.dtype),
            (self._blocks, "uint32"),
            *vectors[: 2 if self.dtype == "int8" else 1],
            (self.entries, "uint16"),
        ]

    def _parts(self) -> list[Any]:
        parts, begin = [], 0
        for count, dtype in self._layout:
            end = begin + count * np.dtype(dtype).itemsize
            parts.append(ops.view(self.values[begin:end], dtype))
            begin = end
        return parts
