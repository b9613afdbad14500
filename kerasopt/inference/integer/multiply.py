"""Integer multiplication layer."""

from __future__ import annotations

from typing import Any

import keras

from kerasopt import ops
from kerasopt.inference.integer.layer import PairLayer


@keras.saving.register_keras_serializable(package="kerasopt")
class QuantizedMultiply(PairLayer):
    """Multiplies two int8 tensors of different scales, with a fused clamp for ReLU.

    Input: list of two int8 tensors of shapes that broadcast. Output: int8.

    Args:
        **kwargs: `input_affine` (a pair of `Affine`, one for each input), `output_affine`,
            `output_min` and `output_max` (the range of the output), and the arguments of
            `keras.layers.Layer`.
    """

    def call(self, inputs: Any) -> Any:
        first, second = inputs
        return ops.quantized_multiply(first, second, **self.quantization, **self.clamp)
