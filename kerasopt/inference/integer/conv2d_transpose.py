"""Integer transposed convolution layer."""

from __future__ import annotations

from typing import Any

import keras

from kerasopt import ops
from kerasopt.inference.integer.contraction import Contraction
from kerasopt.ops.validation import as_pair, standardize_padding


@keras.saving.register_keras_serializable(package="kerasopt")
class QuantizedConv2DTranspose(Contraction):
    """A `Conv2DTranspose` layer on int8 images, with a fused clamp for ReLU.

    A convolution of the image with zero points between its pixels.

    Input: int8 of shape `(batch, height, width, channels)`. Output: int8 of shape
    `(batch, new_height, new_width, filters)`.

    Args:
        filters: Positive integer, the number of output channels.
        kernel_size: Integer or pair, as in `keras.layers.Conv2DTranspose`.
        strides: Integer or pair.
        padding: `"valid"` or `"same"`.
        **kwargs: `input_affine`, `output_affine`, `output_min` and `output_max` (the scales and
            zero points, and the range of the output), and the arguments of `keras.layers.Layer`.

    Attributes:
        kernel: int8 variable of shape `(height, width, channels, filters)`, in the order of a
            convolution: Keras' kernel flipped in height and width, its last two axes exchanged.
    """

    is_transposed = True  # its products are counted for each pixel of the input

    def __init__(
        self,
        filters: int,
        kernel_size: int | tuple[int, int],
        strides: int | tuple[int, int] = 1,
        padding: str = "valid",
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.filters = filters
        self.kernel_size = as_pair("kernel_size", kernel_size)
        self.strides = as_pair("strides", strides)
        self.padding = standardize_padding(padding)

    def kernel_shape(self, input_shape: Any) -> tuple[int, ...]:
        return (*self.kernel_size, input_shape[-1], self.filters)

    def call(self, inputs: Any) -> Any:
        return ops.quantized_conv2d(self._spread(inputs), self.packed, **self._requantization)

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        image = [
            None if size is None else size * stride + self.overhang(axis)
            for axis, (size, stride) in enumerate(zip(input_shape[1:3], self.strides, strict=True))
        ]
        return (input_shape[0], *image, self.filters)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "strides": self.strides,
            "padding": self.padding,
        }

    def _spread(self, x: Any) -> Any:
        """Puts zero points between the pixels of an image, and around it."""
        zero_point = self.input_affine.zero_point
        height, width = self.strides
        rows, columns, channels = keras.ops.shape(x)[1:]
        x = keras.ops.reshape(x, (-1, rows, 1, columns, 1, channels))
        gaps = [(0, 0), (0, 0), (0, height - 1), (0, 0), (0, width - 1), (0, 0)]
        x = keras.ops.pad(x, gaps, constant_values=zero_point)
        x = keras.ops.reshape(x, (-1, rows * height, columns * width, channels))
        around = [(0, 0), *map(self._border, (0, 1)), (0, 0)]
        return keras.ops.pad(x, around, constant_values=zero_point)

    def _border(self, axis: int) -> tuple[int, int]:
        """Returns how many zero points are before and after the spread image."""
        kernel, stride = self.kernel_size[axis], self.strides[axis]
        cut = max(kernel - stride, 0) // 2 if self.padding == "same" else 0
        before = kernel - 1 - cut
        return before, self.overhang(axis) + kernel - 1 - before

    def overhang(self, axis: int) -> int:
        """Returns by how much an axis of the output is longer than `strides` times the input's."""
        if self.padding == "same":
            return 0
        return max(self.kernel_size[axis] - self.strides[axis], 0)
