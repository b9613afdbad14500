"""Integer multiplication layer."""

from __future__ import annotations

from typing import Any

import keras
from keras.src.ops.operation_utils import broadcast_shapes

from kerasopt import ops
from kerasopt.layers.integer.layer import ClampedLayer


@keras.saving.register_keras_serializable(package="kerasopt")
class QuantizedMultiply(ClampedLayer):
    """Multiplies two int8 tensors of different scales, with a fused clamp for ReLU.

    Input: list of two int8 tensors of shapes that broadcast. Output: int8.

    Args:
        **kwargs: `input_affine` (a pair of `Affine`, one for each input), `output_affine`,
            `output_min` and `output_max` (the range of the output), and the arguments of
            `keras.layers.Layer`.
    """

    def call(self, inputs: Any) -> Any:
        first, second = self.input_affines
        return ops.quantized_multiply(
            inputs[0],
            inputs[1],
            scale0=first.scale,
            scale1=second.scale,
            zero_point0=first.zero_point,
            zero_point1=second.zero_point,
            output_scale=self.output_affine.scale,
            **self.output_quantization,
        )

    def compute_output_shape(self, *input_shapes: Any) -> Any:
        return broadcast_shapes(*input_shapes)
