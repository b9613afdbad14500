"""Layers with weights of 16 bits."""

from __future__ import annotations

from typing import Any

import keras

from kerasopt import ops
from kerasopt.inference.dense_like import DenseLike
from kerasopt.inference.image_window import GroupedImage
from kerasopt.inference.scaled import ScaledLayer


class _Half(ScaledLayer):
    weight_formats = ops.HALF_FORMATS


@keras.saving.register_keras_serializable(package="kerasopt")
class HalfDense(DenseLike, _Half):
    """A `Dense` layer with weights of 16 bits, which computes in float32.

    The weights stay as they are in memory; see `kerasopt.ops.half_matmul`. Made by
    `kerasopt.convert(model, "float16")`.

    Input: float32 of shape `(..., inputs)`. Output: float32 of shape `(..., units)`.

    Args:
        units: Positive integer, the size of the output's last axis.
        **kwargs: `weight_format`, `"float16"` (the default) or `"bfloat16"`, and the arguments of
            `keras.layers.Layer`.
    """

    def call(self, inputs: Any) -> Any:
        return ops.half_matmul(inputs, self.packed)


@keras.saving.register_keras_serializable(package="kerasopt")
class HalfConv2D(GroupedImage, _Half):
    """A `Conv2D` layer with weights of 16 bits, which computes in float32.

    The weights stay as they are in memory; see `kerasopt.ops.half_conv2d`. Made by
    `kerasopt.convert(model, "float16")`.

    Input: float32 of shape `(batch, height, width, channels)`. Output: float32 of shape
    `(batch, new_height, new_width, filters)`.

    Args:
        filters: Positive integer, the number of output channels.
        kernel_size: Integer or pair, as in `keras.layers.Conv2D`.
        **kwargs: `weight_format`, `"float16"` (the default) or `"bfloat16"`; `strides`, `padding`,
            `dilation_rate` and `groups` as of `QuantizedConv2D`; and the arguments of
            `keras.layers.Layer`.
    """

    def call(self, inputs: Any) -> Any:
        return ops.half_conv2d(inputs, self.packed, **self.window)
