"""int8 kernels in the one order in which the native kernels of all instruction sets read them.

A kernel is a matrix of `runs * depth` rows for each group of output channels. A run is what lies
side by side in an image: a line of a convolution's window, or a single pixel of it. Runs are padded
to whole quads of 4 rows, columns to whole blocks of 16, with zeros. Panels of 64 columns, the last
one of what is left, follow each other, each as `(quads, columns, 4)`.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from keras import ops

from kerasopt.ops.validation import check_tensor

_QUAD, _BLOCK, _PANEL = 4, 16, 64


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


class PackedKernel(NamedTuple):
    """A kernel as `kerasopt.ops.quantized_matmul` and `quantized_conv2d` read it.

    ```python
    packed = PackedKernel.pack(kernel)
    y = kerasopt.ops.quantized_matmul(x, packed, bias, multiplier, ...)
    ```

    Attributes:
        values: int8 tensor of shape `(size,)`.
        shape: Tuple, the shape of the kernel: `(inputs, units)` or
            `(kernel_height, kernel_width, channels / groups, filters)`.
        groups: Integer, the groups of a convolution.
        dilation_rate: Pair of integers, the dilation of a convolution.
    """

    values: Any
    shape: tuple[int, ...]
    groups: int = 1
    dilation_rate: tuple[int, int] = (1, 1)

    @classmethod
    def pack(
        cls, kernel: Any, groups: int = 1, dilation_rate: tuple[int, int] = (1, 1)
    ) -> PackedKernel:
        """Returns an int8 tensor of one of the shapes above, packed."""
        check_tensor("kernel", kernel, "int8", 2 if len(kernel.shape) == 2 else 4)
        shape = tuple(kernel.shape)
        layout = _layout(shape, groups, dilation_rate)
        x = ops.reshape(kernel, (layout.runs, layout.depth, groups, layout.columns))
        x = ops.transpose(x, (2, 0, 1, 3))
        missing = (0, -layout.depth % _QUAD), (0, layout.width - layout.columns)
        x = ops.pad(x, [(0, 0), (0, 0), *missing])
        x = ops.reshape(x, (groups, layout.quads, _QUAD, layout.width))
        x = ops.transpose(x, (0, 1, 3, 2))
        whole = layout.width // _PANEL * _PANEL
        panels = ops.reshape(x[:, :, :whole], (groups, layout.quads, -1, _PANEL, _QUAD))
        panels = ops.reshape(ops.transpose(panels, (0, 2, 1, 3, 4)), (groups, -1))
        rest = ops.reshape(x[:, :, whole:], (groups, -1))
        return cls(
            ops.reshape(ops.concatenate([panels, rest], 1), (-1,)), shape, groups, dilation_rate
        )

    @property
    def size(self) -> int:
        """The number of values, with the padding."""
        layout = _layout(self.shape, self.groups, self.dilation_rate)
        return layout.groups * layout.quads * _QUAD * layout.width

    def unpack(self) -> Any:
        """Returns the int8 tensor that was packed."""
        layout = _layout(self.shape, self.groups, self.dilation_rate)
        x = ops.reshape(self.values, (self.groups, -1))
        whole = layout.width // _PANEL * _PANEL
        end = layout.quads * _QUAD * whole
        panels = ops.reshape(x[:, :end], (self.groups, -1, layout.quads, _PANEL, _QUAD))
        panels = ops.transpose(panels, (0, 2, 4, 1, 3))
        panels = ops.reshape(panels, (self.groups, layout.quads, _QUAD, whole))
        rest = ops.reshape(x[:, end:], (self.groups, layout.quads, layout.width - whole, _QUAD))
        x = ops.concatenate([panels, ops.transpose(rest, (0, 1, 3, 2))], -1)
        x = ops.reshape(x, (self.groups, layout.runs, -1, layout.width))
        x = x[:, :, : layout.depth, : layout.columns]
        return ops.reshape(ops.transpose(x, (1, 2, 0, 3)), self.shape)


def _layout(shape: tuple[int, ...], groups: int, dilation_rate: tuple[int, int]) -> _Layout:
    *window, depth, columns = shape
    if columns % groups:
        raise ValueError(
            "The filters of a convolution must be in groups of one size. "
            f"Received: {columns} filters, groups={groups}"
        )
    height, width = window or (1, 1)
    # The pixels under a line of the window lie side by side.
    if groups == 1 and (dilation_rate[1] == 1 or width == 1):
        return _Layout(groups, height, width * depth, columns // groups)
    return _Layout(groups, height * width, depth, columns // groups)
