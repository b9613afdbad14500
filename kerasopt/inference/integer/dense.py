"""Integer fully connected layer."""

from __future__ import annotations

from typing import Any

import keras

from kerasopt import ops
from kerasopt.inference.integer.contraction import Contraction
from kerasopt.inference.integer.layer import IntegerLayer


class FullyConnected(IntegerLayer):
    """What dense layers share: a product along the last axis.

    Args:
        units: Positive integer, the size of the output's last axis.
        **kwargs: The arguments of the layer.
    """

    def __init__(self, units: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.units = units

    def kernel_shape(self, input_shape: Any) -> tuple[int, ...]:
        return input_shape[-1], self.units

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        return (*input_shape[:-1], self.units)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "units": self.units}


@keras.saving.register_keras_serializable(package="kerasopt")
class QuantizedDense(FullyConnected, Contraction):
    """A `Dense` layer on int8 or int16 tensors, with a fused clamp for ReLU.

    Input: integers of shape `(..., inputs)`. Output: integers of shape `(..., units)`.

    ```python
    layer = QuantizedDense(10, input_affine=Affine(0.1, 3), output_affine=Affine(0.2, -5))
    layer.build((None, 64))
    layer.set_integers(kernel, bias, kernel_scale)
    ```

    Args:
        units: Positive integer, the size of the output's last axis.
        **kwargs: `input_affine`, `output_affine`, `output_min` and `output_max` (the scales and
            zero points, and the range of the output), and the arguments of `keras.layers.Layer`.
    """

    weight_formats = (*ops.WEIGHT_FORMATS, "4x1")

    def call(self, inputs: Any) -> Any:
        return ops.quantized_matmul(inputs, self.packed, **self._requantization)
