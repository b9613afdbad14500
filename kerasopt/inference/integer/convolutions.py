"""Integer convolution layers."""

from __future__ import annotations

from typing import Any

import keras

from kerasopt import ops
from kerasopt.inference.image_window import GroupedImage, ImageWindow
from kerasopt.inference.integer.contraction import Contraction


@keras.saving.register_keras_serializable(package="kerasopt")
class QuantizedConv2D(GroupedImage, Contraction):
    """A `Conv2D` layer on int8 or int16 images, with a fused clamp for ReLU.

    Input: integers of shape `(batch, height, width, channels)`. Output: integers of shape
    `(batch, new_height, new_width, filters)`. Padding is with the input's zero point.

    Args:
        filters: Positive integer, the number of output channels.
        kernel_size: Integer or pair, as in `keras.layers.Conv2D`.
        strides: Integer or pair.
        padding: `"valid"`, `"same"` or `((top, bottom), (left, right))`, in pixels.
        dilation_rate: Integer or pair.
        groups: Positive integer, the number of groups, as in `keras.layers.Conv2D`.
        **kwargs: `input_affine`, `output_affine`, `output_min` and `output_max` (the scales and
            zero points, and the range of the output), and the arguments of `keras.layers.Layer`.
    """

    weight_formats = (*ops.WEIGHT_FORMATS, "4x1")

    def call(self, inputs: Any) -> Any:
        return ops.quantized_conv2d(
            inputs,
            self.packed,
            groups=self.groups,
            **self.window,
            **self._requantization,
        )


@keras.saving.register_keras_serializable(package="kerasopt")
class QuantizedDepthwiseConv2D(ImageWindow, Contraction):
    """A `DepthwiseConv2D` layer on int8 or int16 images, with a fused clamp for ReLU.

    Input: integers of shape `(batch, height, width, channels)`. Output: integers of shape
    `(batch, new_height, new_width, channels * depth_multiplier)`.

    Args:
        kernel_size: Integer or pair, as in `keras.layers.DepthwiseConv2D`.
        depth_multiplier: Positive integer, the number of output channels per input channel.
        strides: Integer or pair.
        padding: `"valid"`, `"same"` or `((top, bottom), (left, right))`, in pixels.
        dilation_rate: Integer or pair.
        **kwargs: `input_affine`, `output_affine`, `output_min` and `output_max` (the scales and
            zero points, and the range of the output), and the arguments of `keras.layers.Layer`.
    """

    weight_formats = ("int8",)
    most_int16_products = 511

    def __init__(
        self, kernel_size: int | tuple[int, int], depth_multiplier: int = 1, **kwargs: Any
    ):
        super().__init__(kernel_size, **kwargs)
        self.depth_multiplier = depth_multiplier

    def kernel_shape(self, input_shape: Any) -> tuple[int, ...]:
        return (*self.kernel_size, input_shape[-1], self.depth_multiplier)

    def call(self, inputs: Any) -> Any:
        return ops.quantized_depthwise_conv2d(
            inputs,
            self.packed,
            **self.window,
            **self._requantization,
        )

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        channels = input_shape[-1] * self.depth_multiplier
        return (input_shape[0], *self.image_shape(input_shape), channels)

    @property
    def packing(self) -> dict[str, Any]:
        return {**super().packing, "is_depthwise": True}

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "depth_multiplier": self.depth_multiplier}
