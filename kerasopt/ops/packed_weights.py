"""The weights of an integer contraction in one tensor, in the order of the native kernels.

A model reads one variable a layer instead of three, and every instruction set reads it as it is.
The tensor has the kernel, filled up to whole cache lines, the int32 biases and the float32
multipliers, bytes in the order of the machine.

The kernel of a matrix multiplication or convolution is a matrix of `runs * depth` rows for each
group of output channels. A run is what lies side by side in an image: a line of a convolution's
window, or a single pixel of it. Runs are padded to whole quads of 4 rows, columns to whole blocks
of 16, with zeros. Panels of 64 columns, the last one of what is left, follow each other, each as
`(quads, columns, 4)`. A depthwise kernel keeps its order.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from keras import ops

from kerasopt.ops.validation import check_tensor

_QUAD, _BLOCK, _PANEL = 4, 16, 64
_CACHE_LINE = 64
_WORD = 4  # bytes of a bias, and of a multiplier


class PackedWeights(NamedTuple):
    """Kernel, biases and multipliers of an integer contraction.

    ```python
    packed = PackedWeights.pack(kernel, bias, multiplier)
    y = kerasopt.ops.quantized_matmul(x, packed, input_zero_point=-3, output_zero_point=5)
    ```

    Attributes:
        values: int8 tensor of shape `(size,)`.
        shape: Tuple, the shape of the kernel: `(inputs, units)`,
            `(kernel_height, kernel_width, channels / groups, filters)`, or, of a depthwise one,
            `(kernel_height, kernel_width, channels, depth_multiplier)`.
        groups: Integer, the groups of a convolution.
        dilation_rate: Pair of integers, the dilation of a convolution.
        is_depthwise: Boolean, whether the kernel is that of a depthwise convolution.
        bias_dtype: String, `"int32"`, or `"float32"` for `kerasopt.ops.dynamic_matmul`, which has
            scales instead of the multipliers.
    """

    values: Any
    shape: tuple[int, ...]
    groups: int = 1
    dilation_rate: tuple[int, int] = (1, 1)
    is_depthwise: bool = False
    bias_dtype: str = "int32"

    @classmethod
    def pack(cls, kernel: Any, bias: Any, multiplier: Any, **packing: Any) -> PackedWeights:
        """Packs tensors.

        Args:
            kernel: int8 tensor of one of the shapes above.
            bias: int32 or float32 tensor with a value for each output channel.
            multiplier: float32 tensor with a value for each output channel.
            **packing: `groups`, `dilation_rate`, `is_depthwise` and `bias_dtype`, as above.

        Returns:
            `PackedWeights`.

        Raises:
            ValueError: If a tensor has another dtype or shape.
        """
        rank = 2 if len(kernel.shape) == 2 and not packing.get("is_depthwise") else 4
        check_tensor("kernel", kernel, "int8", rank)
        packed = cls(None, tuple(kernel.shape), **packing)
        parts = [ops.reshape(kernel, (-1,)) if packed.is_depthwise else packed._in_panels(kernel)]
        parts.append(ops.zeros((packed._kernel_bytes - parts[0].shape[0],), "int8"))
        words_of = ("bias", bias, packed.bias_dtype), ("multiplier", multiplier, "float32")
        for name, words, dtype in words_of:
            check_tensor(name, words, dtype, 1)
            if words.shape[0] != packed.channels:
                raise ValueError(
                    f"`{name}` must have one value for each of the {packed.channels} output "
                    f"channels. Received: {name}.shape={tuple(words.shape)}"
                )
            parts.append(ops.reshape(ops.view(words, "int8"), (-1,)))
        return packed._replace(values=ops.concatenate(parts))

    def unpack(self) -> tuple[Any, Any, Any]:
        """Returns kernel, bias and multiplier."""
        kernel = self.values[: self._kernel_values]
        kernel = ops.reshape(kernel, self.shape) if self.is_depthwise else self._of_panels(kernel)
        middle = self._kernel_bytes + self.channels * _WORD
        bias, multiplier = self.values[self._kernel_bytes : middle], self.values[middle:]
        return kernel, ops.view(bias, self.bias_dtype), ops.view(multiplier, "float32")

    @property
    def channels(self) -> int:
        """The number of output channels."""
        return math.prod(self.shape[2:]) if self.is_depthwise else self.shape[-1]

    @property
    def size(self) -> int:
        """The number of bytes."""
        return self._kernel_bytes + 2 * self.channels * _WORD

    @property
    def _kernel_values(self) -> int:
        if self.is_depthwise:
            return math.prod(self.shape)
        layout = self._layout
        return layout.groups * layout.quads * _QUAD * layout.width

    @property
    def _kernel_bytes(self) -> int:
        return math.ceil(self._kernel_values / _CACHE_LINE) * _CACHE_LINE

    @property
    def _layout(self) -> _Layout:
        *window, depth, columns = self.shape
        height, width = window or (1, 1)
        # The pixels under a line of the window lie side by side.
        is_merged = self.groups == 1 and (self.dilation_rate[1] == 1 or width == 1)
        runs, depth = (height, width * depth) if is_merged else (height * width, depth)
        return _Layout(self.groups, runs, depth, columns // self.groups)

    def _in_panels(self, kernel: Any) -> Any:
        layout = self._layout
        x = ops.reshape(kernel, (layout.runs, layout.depth, layout.groups, layout.columns))
        x = ops.transpose(x, (2, 0, 1, 3))
        missing = (0, -layout.depth % _QUAD), (0, layout.width - layout.columns)
        x = ops.pad(x, [(0, 0), (0, 0), *missing])
        x = ops.reshape(x, (layout.groups, layout.quads, _QUAD, layout.width))
        x = ops.transpose(x, (0, 1, 3, 2))
        whole = layout.width // _PANEL * _PANEL
        panels = ops.reshape(x[:, :, :whole], (layout.groups, layout.quads, -1, _PANEL, _QUAD))
        panels = ops.reshape(ops.transpose(panels, (0, 2, 1, 3, 4)), (layout.groups, -1))
        rest = ops.reshape(x[:, :, whole:], (layout.groups, -1))
        return ops.reshape(ops.concatenate([panels, rest], 1), (-1,))

    def _of_panels(self, values: Any) -> Any:
        layout = self._layout
        x = ops.reshape(values, (layout.groups, -1))
        whole = layout.width // _PANEL * _PANEL
        end = layout.quads * _QUAD * whole
        panels = ops.reshape(x[:, :end], (layout.groups, -1, layout.quads, _PANEL, _QUAD))
        panels = ops.transpose(panels, (0, 2, 4, 1, 3))
        panels = ops.reshape(panels, (layout.groups, layout.quads, _QUAD, whole))
        rest = ops.reshape(x[:, end:], (layout.groups, layout.quads, layout.width - whole, _QUAD))
        x = ops.concatenate([panels, ops.transpose(rest, (0, 1, 3, 2))], -1)
        x = ops.reshape(x, (layout.groups, layout.runs, -1, layout.width))
        x = x[:, :, : layout.depth, : layout.columns]
        return ops.reshape(ops.transpose(x, (1, 2, 0, 3)), self.shape)


class _Layout(NamedTuple):
    groups: int
    runs: int
    depth: int
    columns: int  # of a group

    @property
    def quads(self) -> int:
        return self.runs * math.ceil(self.depth / _QUAD)

    @property
    def width(self) -> int:
        return math.ceil(self.columns / _BLOCK) * _BLOCK
