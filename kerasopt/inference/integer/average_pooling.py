"""Integer average pooling layer."""

from __future__ import annotations

from typing import Any

import keras

from kerasopt import ops
from kerasopt.inference.integer.layer import AverageLayer
from kerasopt.ops.validation import as_pair, output_size, standardize_padding


@keras.saving.register_keras_serializable(package="kerasopt")
class QuantizedAveragePooling2D(AverageLayer):
    """Averages int8 images over windows, and rounds to the output's own scale.

    Input: int8 of shape `(batch, height, width, channels)`. Output: int8 of shape
    `(batch, new_height, new_width, channels)`. What is padded does not count.

    Args:
        pool_size: Integer or pair, as in `keras.layers.AveragePooling2D`.
        strides: Integer or pair. Defaults to `pool_size`.
        padding: `"valid"` or `"same"`.
        **kwargs: `input_affine` and `output_affine`, and the arguments of `keras.layers.Layer`.
    """

    def __init__(
        self,
        pool_size: int | tuple[int, int],
        strides: int | tuple[int, int] | None = None,
        padding: str = "valid",
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.pool_size = as_pair("pool_size", pool_size)
        self.strides = as_pair("strides", pool_size if strides is None else strides)
        self.padding = standardize_padding(padding)

    def call(self, inputs: Any) -> Any:
        return ops.quantized_average_pool(
            inputs,
            pool_size=self.pool_size,
            strides=self.strides,
            padding=self.padding,
            **self.quantization,
        )

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        sizes = zip(input_shape[1:3], self.pool_size, self.strides, strict=True)
        image = [output_size(size, pool, stride, self.padding) for size, pool, stride in sizes]
        return (input_shape[0], *image, input_shape[-1])

    def get_config(self) -> dict[str, Any]:
        window = {"pool_size": self.pool_size, "strides": self.strides, "padding": self.padding}
        return {**super().get_config(), **window}
