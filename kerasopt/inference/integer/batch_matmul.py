"""Integer product of the matrices of two tensors."""

from __future__ import annotations

from typing import Any

import keras

from kerasopt import ops
from kerasopt.inference.affine import Affine
from kerasopt.inference.integer.layer import PairLayer
from kerasopt.keras_internals.graphs import broadcast_shapes


@keras.saving.register_keras_serializable(package="kerasopt")
class QuantizedBatchMatMul(PairLayer):
    """Multiplies the matrices of two int8 tensors, as attention does.

    Input: list of two int8 tensors, of shapes `(..., rows, depth)` and `(..., depth, columns)`.
    Output: int8 of shape `(..., rows, columns)`.

    Args:
        factor: Positive float that the products are multiplied with.
        **kwargs: `input_affine` (a pair of `Affine`, one for each input) and `output_affine`, and
            the arguments of `keras.layers.Layer`.
    """

    multiplies_matrices = True

    def __init__(self, factor: float = 1.0, **kwargs: Any):
        super().__init__(**kwargs)
        self.factor = float(factor)

    @property
    def quantization(self) -> dict[str, Any]:
        found = super().quantization
        return {**found, "scale0": found["scale0"] * self.factor}

    @property
    def unscaled(self) -> Affine:
        """The `Affine` of the products before they are multiplied with the factor."""
        affine = self.output_affine
        return Affine(affine.scale / self.factor, affine.zero_point)

    def call(self, inputs: Any) -> Any:
        first, second = inputs
        return ops.quantized_batch_matmul(first, second, **self.quantization)

    def compute_output_shape(self, *input_shapes: Any) -> tuple[int | None, ...]:
        first, second = input_shapes
        return (*broadcast_shapes(first[:-2], second[:-2]), first[-2], second[-1])

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "factor": self.factor}
