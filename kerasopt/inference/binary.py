"""Layers of one bit."""

from __future__ import annotations

from typing import Any

import keras

from kerasopt import ops
from kerasopt.inference.float_scaled import FloatScaledLayer
from kerasopt.inference.integer.convolutions import ImageWindow
from kerasopt.inference.integer.dense import FullyConnected


class _Binary(FloatScaledLayer):
    packed: ops.PackedWeights
    weight_formats = ("binary",)

    def __init__(self, **kwargs: Any):
        super().__init__(**{"weight_format": "binary", **kwargs})


@keras.saving.register_keras_serializable(package="kerasopt")
class BinaryDense(FullyConnected, _Binary):
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
class BinaryConv2D(ImageWindow, _Binary):
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

    def __init__(self, filters: int, kernel_size: int | tuple[int, int], **kwargs: Any):
        super().__init__(kernel_size, **kwargs)
        self.filters = filters

    def kernel_shape(self, input_shape: Any) -> tuple[int, ...]:
        return (*self.kernel_size, input_shape[-1], self.filters)

    def call(self, inputs: Any) -> Any:
        return ops.binary_conv2d(inputs, self.packed, **self.window)

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        return (input_shape[0], *self.image_shape(input_shape), self.filters)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "filters": self.filters}
