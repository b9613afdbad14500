"""Dense layer with dynamic quantization of its input."""

from __future__ import annotations

from typing import Any

import keras

from kerasopt import ops
from kerasopt.inference.dense_like import DenseLike
from kerasopt.inference.scaled import ScaledLayer


@keras.saving.register_keras_serializable(package="kerasopt")
class DynamicDense(DenseLike, ScaledLayer):
    """A `Dense` layer with an int8 kernel, whose input is rounded to int8 row by row.

    Nothing has to be calibrated: the scale of a row, the values along the last axis, is that of
    its largest magnitude. See `kerasopt.ops.dynamic_matmul`.

    Input: float32 of shape `(..., inputs)`. Output: float32 of shape `(..., units)`.

    Args:
        units: Positive integer, the size of the output's last axis.
        **kwargs: `weight_format`, see `kerasopt.ops.PackedWeights`, and the arguments of
            `keras.layers.Layer`.
    """

    @property
    def input_bits(self) -> int:
        return 8

    def call(self, inputs: Any) -> Any:
        return ops.dynamic_matmul(inputs, self.packed)
