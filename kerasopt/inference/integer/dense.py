"""Integer fully connected layer."""

from __future__ import annotations

from typing import Any

import keras

from kerasopt import ops
from kerasopt.inference.dense_like import DenseLike
from kerasopt.inference.integer.contraction import Contraction


@keras.saving.register_keras_serializable(package="kerasopt")
class QuantizedDense(DenseLike, Contraction):
    """A `Dense` layer on int8 or int16 tensors, with a fused clamp for ReLU.

    Input: integers of shape `(..., inputs)`. Output: integers of shape `(..., units)`.

    ```python
    from kerasopt.inference import Affine

    layer = QuantizedDense(10, input_affine=Affine(0.1, 3), output_affine=Affine(0.2, -5))
    layer.build((None, 64))
    layer.set_arrays(np.ones((64, 10), "int8"), np.zeros(10, "int32"), np.full(10, 0.01))
    ```

    Args:
        units: Positive integer, the size of the output's last axis.
        **kwargs: `input_affine`, `output_affine`, `output_min` and `output_max` (the scales and
            zero points, and the range of the output), and the arguments of `keras.layers.Layer`.
    """

    weight_formats = (*ops.WEIGHT_FORMATS, "4x1")

    def call(self, inputs: Any) -> Any:
        return ops.quantized_matmul(inputs, self.packed, **self._requantization)
