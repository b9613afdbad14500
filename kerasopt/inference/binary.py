"""Binary layers: signs, multiplied with weights of -1 and 1."""

from __future__ import annotations

from typing import Any

import keras

from kerasopt import ops
from kerasopt.inference.dense_like import DenseLike
from kerasopt.inference.image_window import FilteredImage
from kerasopt.inference.scaled import ScaledLayer


class _Binary(ScaledLayer):
    weight_formats = ("binary",)

    @property
    def input_bits(self) -> int:
        return 1


@keras.saving.register_keras_serializable(package="kerasopt")
class BinaryDense(DenseLike, _Binary):
    """A `Dense` layer that multiplies the signs of its input with weights of -1 and 1.

    A sign is 1 where the input is at least 0, else -1. See `kerasopt.ops.binary_matmul`.

    Input: float32 of shape `(..., inputs)`. Output: float32 of shape `(..., units)`.

    Args:
        units: Positive integer, the size of the output's last axis.
        **kwargs: The arguments of `keras.layers.Layer`.
    """

    def call(self, inputs: Any) -> Any:
        return ops.binary_matmul(inputs, self.packed)


@keras.saving.register_keras_serializable(package="kerasopt")
class BinaryConv2D(FilteredImage, _Binary):
    """A `Conv2D` layer that multiplies the signs of images with weights of -1 and 1.

    A sign is 1 where the input is at least 0, else -1; what is padded is 0. See
    `kerasopt.ops.binary_conv2d`.

    Input: float32 of shape `(batch, height, width, channels)`. Output: float32 of shape
    `(batch, new_height, new_width, filters)`.

    Args:
        filters: Positive integer, the number of output channels.
        kernel_size: Integer or pair, as in `keras.layers.Conv2D`.
        **kwargs: `strides`, `padding` and `dilation_rate` as of `QuantizedConv2D`, and the
            arguments of `keras.layers.Layer`.
    """

    def call(self, inputs: Any) -> Any:
        return ops.binary_conv2d(inputs, self.packed, **self.window)
