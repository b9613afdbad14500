"""The weights of an integer contraction in one tensor, in the order of the native kernels.

A model reads one variable per layer instead of three, in a format that all instruction sets share.
The tensor contains the kernel, padded to whole cache lines, the int32 biases and the float32
multipliers, in the byte order of the machine.

The kernel of a matrix multiplication or convolution is a matrix of `runs * depth` rows for each
group of output channels. A run consists of values that are adjacent in an image: a row of a
convolution's window, or one pixel of it. Runs and columns are padded with zeros to whole blocks
(see `kerasopt.ops.weight_formats`). Panels of 64 columns (the last one may be smaller) follow each
other, each with its blocks in the order of rows. A depthwise kernel keeps its order.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from keras import ops

from kerasopt.ops.validation import check_tensor
from kerasopt.ops.weight_formats import COLUMNS, FORMATS, HALF_FORMATS, WeightFormat

_PANEL = 4  # blocks of a panel
_CACHE_LINE = 64
_WORD = 4  # bytes of a bias, and of a multiplier


class PackedWeights(NamedTuple):
    """Kernel, biases and multipliers of an integer contraction.

    ```python
    kernel = np.ones((64, 10), "int8")
    bias, multiplier = np.zeros(10, "int32"), np.full(10, 0.01, "float32")
    packed = PackedWeights.pack(kernel, bias, multiplier)
    x = np.ones((2, 64), "int8")
    y = kerasopt.ops.quantized_matmul(x, packed, input_zero_point=-3, output_zero_point=5)
    ```

    Attributes:
        values: int8 tensor of shape `(size,)`.
        shape: Tuple, the shape of the kernel: `(inputs, units)`,
            `(kernel_height, kernel_width, channels / groups, filters)`, or, of a depthwise one,
            `(kernel_height, kernel_width, channels, depth_multiplier)`.
        groups: Integer, the groups of a convolution.
        dilation_rate: Pair of integers, the dilation of a convolution.
        is_depthwise: Boolean, whether the convolution is depthwise.
        bias_dtype: String, `"int32"`, or `"float32"` for `kerasopt.ops.dynamic_matmul`, with scales
            instead of multipliers.
        format: String, how the kernel is stored: `"int8"`, `"int4"` (weights from -8 to 7), or
            `"2:4"` (of four neighbours along the input axis at most two are not zero); or
            `"binary"` (-1 and 1) for `kerasopt.ops.binary_matmul` and `binary_conv2d`, `"float16"`
            or `"bfloat16"` for `half_matmul` and `half_conv2d`.
    """

    values: Any
    shape: tuple[int, ...]
    groups: int = 1
    dilation_rate: tuple[int, int] = (1, 1)
    is_depthwise: bool = False
    bias_dtype: str = "int32"
    format: str = "int8"

    @classmethod
    def pack(cls, kernel: Any, bias: Any, multiplier: Any, **packing: Any) -> PackedWeights:
        """Packs tensors.

        Args:
            kernel: int8 tensor of one of the shapes above; for a float format, a tensor of its
                dtype.
            bias: int32 or float32 tensor with a value for each output channel.
            multiplier: float32 tensor with a value for each output channel.
            **packing: `groups`, `dilation_rate`, `is_depthwise`, `bias_dtype` and `format`, as
                above.

        Returns:
            `PackedWeights`.

        Raises:
            ValueError: If a tensor has another dtype or shape, or the format does not support the
                values.
        """
        rank = 2 if len(kernel.shape) == 2 and not packing.get("is_depthwise") else 4
        packed = cls(None, tuple(kernel.shape), **packing)
        check_tensor("kernel", kernel, packed.dtype, rank)
        for name, words, dtype in (
            ("bias", bias, packed.bias_dtype),
            ("multiplier", multiplier, "float32"),
        ):
            check_tensor(name, words, dtype, 1)
            if words.shape[0] != packed.channels:
                raise ValueError(
                    f"`{name}` must have one value for each of the {packed.channels} output "
                    f"channels. Received: {name}.shape={tuple(words.shape)}"
                )
        vectors = [ops.view(words, "int8") for words in (bias, multiplier)]
        stored = packed._stored(kernel)
        rest = packed._kernel_bytes - stored.shape[0]
        if not isinstance(kernel, np.ndarray):
            parts = [stored, ops.zeros((rest,), "int8"), *vectors]
            return packed._replace(values=ops.concatenate(parts))
        parts = [stored, np.zeros(rest, "int8"), *map(ops.convert_to_numpy, vectors)]
        return packed._replace(values=np.concatenate(parts))

    def packed_like(self, kernel: Any, bias: Any, multiplier: Any) -> PackedWeights:
        """Packs other tensors in the same way."""
        packing = self._asdict()
        del packing["values"], packing["shape"]
        return self.pack(kernel, bias, multiplier, **packing)

    @classmethod
    def smallest_format(cls, kernel: np.ndarray, **packing: Any) -> str:
        """Returns the format that stores a kernel in the fewest bytes.

        Args:
            kernel: int8 array of one of the shapes above.
            **packing: `groups`, `dilation_rate`, `is_depthwise` and `bias_dtype`, as above.
        """
        if packing.get("is_depthwise"):
            return "int8"
        if -8 <= kernel.min() and kernel.max() <= 7:
            return "int4"
        sparse = cls(None, tuple(kernel.shape), **{**packing, "format": "2:4"})
        may_fit = 2 * np.count_nonzero(kernel) <= kernel.size
        is_held = may_fit and all(map(FORMATS["2:4"].holds, sparse._panels(kernel, np)))
        return "2:4" if is_held else "int8"

    def initial(self) -> np.ndarray:
        """Returns values for a kernel and biases of zeros, and multipliers of 1."""
        ones = np.ones(self.channels, "float32").view("int8")
        return np.concatenate([np.zeros(self.size - ones.size, "int8"), ones])

    def unpack(self) -> tuple[Any, Any, Any]:
        """Returns kernel, bias and multiplier."""
        kernel = self.values[: self._kernel_values]
        kernel = ops.reshape(kernel, self.shape) if self.is_depthwise else self._of_panels(kernel)
        middle = self._kernel_bytes + self.channels * _WORD
        bias, multiplier = self.values[self._kernel_bytes : middle], self.values[middle:]
        return kernel, ops.view(bias, self.bias_dtype), ops.view(multiplier, "float32")

    @property
    def dtype(self) -> str:
        """The dtype of the kernel."""
        return self.format if self.format in HALF_FORMATS else "int8"

    @property
    def channels(self) -> int:
        """The number of output channels."""
        return math.prod(self.shape[2:]) if self.is_depthwise else self.shape[-1]

    @property
    def bits(self) -> int:
        """The bits of one weight, as it is multiplied."""
        return {"int4": 4, "binary": 1, **dict.fromkeys(HALF_FORMATS, 16)}.get(self.format, 8)

    @property
    def size(self) -> int:
        """The number of bytes."""
        return self._kernel_bytes + 2 * self.channels * _WORD

    @property
    def bytes(self) -> int:
        """The number of bytes, without the padding of blocks and cache lines."""
        kernel = math.ceil(math.prod(self.shape) * FORMATS[self.format].bits / 8)
        return kernel + 2 * self.channels * _WORD

    @property
    def _kernel_values(self) -> int:
        return math.prod(self.shape if self.is_depthwise else self._layout.stored)

    @property
    def _kernel_bytes(self) -> int:
        return math.ceil(self._kernel_values / _CACHE_LINE) * _CACHE_LINE

    @property
    def _layout(self) -> _Layout:
        *window, depth, columns = self.shape
        height, width = window or (1, 1)
        # The pixels under a row of the window are adjacent.
        is_merged = self.groups == 1 and (self.dilation_rate[1] == 1 or width == 1)
        # Bits of a pixel are padded to whole words.
        is_merged = is_merged and self.format != "binary"
        runs, depth = (height, width * depth) if is_merged else (height * width, depth)
        return _Layout(self.groups, runs, depth, columns // self.groups, FORMATS[self.format])

    def _stored(self, kernel: Any) -> Any:
        """Returns the bytes of a kernel, in NumPy for an array."""
        module = np if isinstance(kernel, np.ndarray) else ops
        if self.is_depthwise:
            return module.reshape(kernel, (-1,))
        if self.dtype != "int8":
            kernel = kernel.view("int16") if module is np else ops.view(kernel, "int16")
        parts = []
        for panel in self._panels(kernel, module):
            if module is np and not self._layout.format.holds(panel):
                raise ValueError(
                    f"The format {self.format!r} does not support the weights of this kernel. "
                    f"Received: kernel of shape {self.shape} with values from {kernel.min()} to "
                    f"{kernel.max()}"
                )
            blocks = module.reshape(panel, (*panel.shape[:2], -1, COLUMNS))
            stored = self._layout.format.encode(module.swapaxes(blocks, 1, 2), module)
            parts.append(module.reshape(stored, (-1,)))
        return module.concatenate(parts)

    def _panels(self, kernel: Any, module: Any) -> Iterator[Any]:
        """Yields the weights of panels, of shape `(quads, rows, columns)`.

        One by one, to use little memory besides the result.
        """
        layout = self._layout
        kernel = module.reshape(kernel, (layout.runs, layout.depth, layout.groups, layout.columns))
        for group in range(layout.groups):
            for first in range(0, layout.columns, _PANEL * COLUMNS):
                columns = kernel[:, :, group, first : first + _PANEL * COLUMNS]
                missing = (0, -layout.depth % layout.format.rows), (0, -columns.shape[-1] % COLUMNS)
                padded = module.pad(columns, [(0, 0), *missing])
                shape = layout.quads, layout.format.rows, padded.shape[-1]
                yield module.reshape(padded, shape)

    def _of_panels(self, values: Any) -> Any:
        layout = self._layout
        x = ops.reshape(values, (layout.groups, -1))
        whole = layout.blocks // _PANEL * _PANEL
        end = layout.quads * whole * layout.format.bytes
        panels = ops.reshape(
            x[:, :end], (layout.groups, -1, layout.quads, _PANEL, layout.format.bytes)
        )
        panels = ops.transpose(panels, (0, 2, 1, 3, 4))
        quads = layout.groups, layout.quads
        panels = ops.reshape(panels, (*quads, whole, layout.format.bytes))
        rest = ops.reshape(x[:, end:], (*quads, layout.blocks - whole, layout.format.bytes))
        x = layout.format.decode(ops.concatenate([panels, rest], 2))
        x = ops.transpose(x, (0, 1, 3, 2, 4))
        x = ops.reshape(x, (layout.groups, layout.runs, -1, layout.blocks * COLUMNS))
        x = x[:, :, : layout.depth, : layout.columns]
        x = ops.reshape(ops.transpose(x, (1, 2, 0, 3)), self.shape)
        return x if self.dtype == "int8" else ops.view(x, self.dtype)


class _Layout(NamedTuple):
    groups: int
    runs: int
    depth: int
    columns: int  # of a group
    format: WeightFormat

    @property
    def quads(self) -> int:
        return self.runs * math.ceil(self.depth / self.format.rows)

    @property
    def blocks(self) -> int:
        return math.ceil(self.columns / COLUMNS)

    @property
    def stored(self) -> tuple[int, ...]:
        return self.groups, self.quads, self.blocks, self.format.bytes
