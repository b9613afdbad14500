"""Integer global average pooling layer."""

from __future__ import annotations

from typing import Any

import keras

from kerasopt import ops
from kerasopt.inference.integer.layer import AverageLayer


@keras.saving.register_keras_serializable(package="kerasopt")
class QuantizedGlobalAveragePooling2D(AverageLayer):
    """Averages int8 images over height and width, and rounds to the output's own scale.

    Input: int8 of shape `(batch, height, width, channels)`. Output: int8 of shape
    `(batch, channels)`, or `(batch, 1, 1, channels)` with `keepdims`.

    Args:
        keepdims: Whether to keep height and width as axes of size 1.
        **kwargs: `input_affine` and `output_affine`, and the arguments of `keras.layers.Layer`.
    """

    def __init__(self, keepdims: bool = False, **kwargs: Any):
        super().__init__(**kwargs)
        self.keepdims = keepdims

    def call(self, inputs: Any) -> Any:
        return ops.quantized_mean(inputs, **self.quantization, keepdims=self.keepdims)

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        image = (1, 1) if self.keepdims else ()
        return (input_shape[0], *image, input_shape[-1])

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "keepdims": self.keepdims}
