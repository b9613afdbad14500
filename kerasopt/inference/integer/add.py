"""Integer addition layer."""

from __future__ import annotations

from typing import Any

import keras

from kerasopt import ops
from kerasopt.inference.integer.layer import PairLayer


@keras.saving.register_keras_serializable(package="kerasopt")
class QuantizedAdd(PairLayer):
    """Adds two int8 or int16 tensors of different scales, with a fused clamp for ReLU.

    Input: list of two tensors of integers of shapes that broadcast. Output: integers.

    Args:
        **kwargs: `input_affine` (a pair of `Affine`, one for each input), `output_affine`,
            `output_min` and `output_max` (the range of the output), and the arguments of
            `keras.layers.Layer`.
    """

    takes_int16 = True

    def call(self, inputs: Any) -> Any:
        first, second = inputs
        return ops.quantized_add(first, second, **self.quantization, **self.clamp)
