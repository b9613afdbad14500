"""Fully connected layer that rounds its input as it comes."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from kerasopt import ops
from kerasopt.layers.integer.layer import IntegerLayer


@keras.saving.register_keras_serializable(package="kerasopt")
class DynamicDense(IntegerLayer):
    """A `Dense` layer with an int8 kernel, whose input is rounded to int8 row by row.

    Nothing has to be calibrated: the scale of a row, the values along the last axis, is that of
    its largest magnitude. See `kerasopt.ops.dynamic_matmul`.

    Input: float32 of shape `(..., inputs)`. Output: float32 of shape `(..., units)`.

    Args:
        units: Positive integer, the size of the output's last axis.
        **kwargs: The arguments of `keras.layers.Layer`.

    Attributes:
        kernel: int8 variable of shape `(inputs, units)`.
        kernel_scale: float32 variable of shape `(units,)`.
        bias: float32 variable of shape `(units,)`.
    """

    affines = ()

    def __init__(self, units: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.units = units

    def build(self, input_shape: Any) -> None:
        def add(name: str, shape: tuple[int, ...], dtype: str, initializer: str) -> keras.Variable:
            return self.add_weight(
                name=name, shape=shape, dtype=dtype, initializer=initializer, trainable=False
            )

        self.kernel = add("kernel", (input_shape[-1], self.units), "int8", "zeros")
        self.kernel_scale = add("kernel_scale", (self.units,), "float32", "ones")
        self.bias = add("bias", (self.units,), "float32", "zeros")

    def set_floats(self, kernel: Any, kernel_scale: Any, gain: Any, offset: Any) -> None:
        """Sets the weights of a dense layer that a gain and an offset per output follow.

        Args:
            kernel: Array of whole numbers that int8 holds.
            kernel_scale: Array of shape `(units,)`, positive and finite.
            gain: Array of shape `(units,)`.
            offset: Array of shape `(units,)`.

        Raises:
            ValueError: If gain or offset are not finite.
        """
        if not (np.isfinite(gain).all() and np.isfinite(offset).all()):
            raise ValueError(
                f"A bias or batch normalization of layer '{self.name}' has values that are not "
                "finite: the training diverged."
            )
        scale = np.where(gain == 0, 1.0, kernel_scale * np.abs(gain))
        self.kernel.assign((kernel * np.sign(gain)).astype("int8"))
        self.kernel_scale.assign(scale.astype("float32"))
        self.bias.assign(offset.astype("float32"))

    def call(self, inputs: Any) -> Any:
        return ops.dynamic_matmul(inputs, self.kernel, self.kernel_scale, self.bias)

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        return (*input_shape[:-1], self.units)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "units": self.units}
