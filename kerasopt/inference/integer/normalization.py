"""Integer normalization layers."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from kerasopt import ops
from kerasopt.inference.integer.contraction import Contraction
from kerasopt.inference.integer.layer import IntegerLayer


@keras.saving.register_keras_serializable(package="kerasopt")
class QuantizedBatchNormalization(Contraction):
    """Multiplies each channel by a number and adds another one: batch normalization in inference.

    Input: int8 of shape `(..., channels)`. Output: int8 of the same shape.

    Args:
        **kwargs: `input_affine`, `output_affine`, `output_min` and `output_max` (the scales and
            zero points, and the range of the output), and the arguments of `keras.layers.Layer`.
    """

    takes_int16 = False
    weight_formats = ("int8",)

    def kernel_shape(self, input_shape: Any) -> tuple[int, ...]:
        return 1, 1, input_shape[-1], 1

    def call(self, inputs: Any) -> Any:
        return ops.quantized_scale(inputs, self.packed, **self._requantization)

    @property
    def packing(self) -> dict[str, Any]:
        return {**super().packing, "is_depthwise": True}


@keras.saving.register_keras_serializable(package="kerasopt")
class QuantizedLayerNormalization(IntegerLayer):
    """Normalizes an int8 tensor along its last axis, then scales and shifts it.

    Input: int8 of shape `(..., size)`. Output: int8 of the same shape. Mean and variance are
    those of the integers; see `kerasopt.ops.quantized_layer_normalization`.

    Args:
        epsilon: Float, what is added to the variance.
        **kwargs: `input_affine` and `output_affine`, and the arguments of `keras.layers.Layer`.

    Attributes:
        gamma: float32 variable of shape `(size,)`, the scale.
        beta: float32 variable of shape `(size,)`, the shift.
    """

    stored_names = ("gamma", "beta")

    def __init__(self, epsilon: float = 1e-3, **kwargs: Any):
        super().__init__(**kwargs)
        self.epsilon = epsilon

    def build(self, input_shape: Any) -> None:
        size = input_shape[-1]

        def add(name: str, dtype: str) -> keras.Variable:
            return self.add_weight(name=name, shape=(size,), dtype=dtype)

        self.gamma, self.beta = add("gamma", "float32"), add("beta", "float32")
        self._gain, self._offset = add("gain", "float32"), add("offset", "int32")

    def set_arrays(self, gamma: np.ndarray, beta: np.ndarray) -> None:
        """Sets scale and shift, float arrays of shape `(size,)`.

        Raises:
            ValueError: If one of them is not finite.
        """
        for name, values in (("gamma", gamma), ("beta", beta)):
            if not np.isfinite(values).all():
                raise ValueError(
                    f"`{name}` of layer '{self.name}' must be finite. "
                    f"Received: {name}={values[~np.isfinite(values)][0]}"
                )
        step = np.float64(self.output_affine.scale)
        self.gamma.assign(gamma)
        self.beta.assign(beta)
        self._gain.assign(
            (np.float64(gamma) / step * 2.0**28 / len(gamma) ** 0.5).astype("float32")
        )
        offset = np.rint(np.float64(beta) / step * 2.0**16)
        self._offset.assign(np.clip(offset, -(2.0**25), 2.0**25).astype("int32"))

    def call(self, inputs: Any) -> Any:
        size = inputs.shape[-1]
        return ops.quantized_layer_normalization(
            inputs,
            self._gain,
            self._offset,
            epsilon=float(np.float32(size * self.epsilon / self.input_affine.scale**2)),
            output_zero_point=self.output_affine.zero_point,
        )

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "epsilon": self.epsilon}
