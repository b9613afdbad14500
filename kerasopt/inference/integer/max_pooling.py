"""Max pooling of int8 images."""

from __future__ import annotations

from typing import Any

import keras

from kerasopt import ops


@keras.saving.register_keras_serializable(package="kerasopt")
class MaxPooling2D(keras.layers.MaxPooling2D):
    """`keras.layers.MaxPooling2D` of int8 images, which keep their scale.

    Input: int8 of shape `(batch, height, width, channels)`. Output: int8 of shape
    `(batch, new_height, new_width, channels)`.

    Args:
        **kwargs: The arguments of `keras.layers.MaxPooling2D`, but for `data_format`.
    """

    def call(self, inputs: Any) -> Any:
        return ops.max_pool(
            inputs, pool_size=self.pool_size, strides=self.strides, padding=self.padding
        )
