"""Integer product of the matrices of two tensors."""

from __future__ import annotations

from typing import Any

import keras

from kerasopt import ops
from kerasopt.inference.integer.layer import PairLayer


@keras.saving.register_keras_serializable(package="kerasopt")
class QuantizedBatchMatMul(PairLayer):
    """Multiplies the matrices of two int8 tensors, as attention does.

    Input: list of two int8 tensors, of shapes `(..., rows, depth)` and `(..., depth, columns)`.
    Output: int8 of shape `(..., rows, columns)`.

    Args:
        **kwargs: `input_affine` (a pair of `Affine`, one for each input) and `output_affine`, and
            the arguments of `keras.layers.Layer`.
    """

    def call(self, inputs: Any) -> Any:
        first, second = inputs
        return ops.quantized_batch_matmul(first, second, **self.quantization)

    def compute_output_shape(self, *input_shapes: Any) -> tuple[int | None, ...]:
        first, second = input_shapes
        return (*first[:-1], second[-1])
