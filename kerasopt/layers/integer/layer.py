"""Base classes of the layers that compute on int8 tensors."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from kerasopt.layers.integer.affine import Affine
from kerasopt.ops.validation import check_output_range


class IntegerLayer(keras.layers.Layer):
    """Base of the layers with int8 output: no training, no automatic casts."""

    def __init__(self, **kwargs: Any):
        kwargs.setdefault("dtype", "float32")
        super().__init__(trainable=kwargs.pop("trainable", False), **kwargs)

    def compute_output_spec(self, *args: Any, **kwargs: Any) -> keras.KerasTensor:
        shapes = [x.shape for x in keras.tree.flatten(args)]
        shape = self.compute_output_shape(*shapes)
        return keras.KerasTensor(shape, "int8")

    def quantize(self, mode: Any = None, config: Any = None, **kwargs: Any) -> None:
        raise ValueError(f"Layer '{self.name}' computes in int8 already. Received: mode={mode}")


class Contraction(IntegerLayer):
    """Base of the layers that sum products with an int8 kernel.

        q = clamp(rint(float32(sum((x - z_x) * kernel) + bias) * M) + z_y)
        M = float32(float32(s_x * s_w) / s_y)

    with the scales and zero points of input (`s_x`, `z_x`) and output (`s_y`, `z_y`) and one
    `s_w` per output channel. Rounding is half to even; sums are int32.

    Args:
        input_affine: `Affine` of the input.
        output_affine: `Affine` of the output; `None` where the layer has a float32 output,
            `float32(sum((x - z_x) * kernel) + bias) * float32(s_x * s_w)`.
        output_min: Smallest value of the output: `z_y` where a ReLU is fused.
        output_max: Largest value of the output.
        **kwargs: The arguments of `keras.layers.Layer`.

    Attributes:
        kernel: int8 variable, symmetric (zero point 0).
        bias: int32 variable at scale `s_x * s_w`.
        kernel_scale: float32 variable, `s_w`.
        multiplier: float32 variable, `M`; computed whenever `kernel_scale` is set.
    """

    def __init__(
        self,
        *,
        input_affine: Affine,
        output_affine: Affine | None,
        output_min: int = -128,
        output_max: int = 127,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        check_output_range(output_min, output_max)
        self.input_affine = input_affine
        self.output_affine = output_affine
        self.output_min = output_min
        self.output_max = output_max

    def add_integer_weights(self, kernel_shape: tuple[int, ...], channels: int) -> None:
        """Creates the variables; `channels` is the number of output channels."""

        def add(name: str, shape: tuple[int, ...], dtype: str, initializer: str) -> keras.Variable:
            return self.add_weight(
                name=name, shape=shape, dtype=dtype, initializer=initializer, trainable=False
            )

        self.kernel = add("kernel", kernel_shape, "int8", "zeros")
        self.bias = add("bias", (channels,), "int32", "zeros")
        self.kernel_scale = add("kernel_scale", (channels,), "float32", "ones")
        self.multiplier = add("multiplier", (channels,), "float32", "ones")
        self._update_multiplier()

    def set_integers(self, kernel: Any, bias: Any, kernel_scale: Any) -> None:
        """Sets kernel, bias and scales.

        Args:
            kernel: int8 array of the kernel's shape.
            bias: int32 array of shape `(channels,)`.
            kernel_scale: float32 array of shape `(channels,)`, positive and finite.

        Raises:
            ValueError: If a scale, or the multiplier that follows from it, is not positive and
                finite.
        """
        self.kernel.assign(kernel)
        self.bias.assign(bias)
        self.kernel_scale.assign(kernel_scale)
        self._update_multiplier()

    def save_own_variables(self, store: Any) -> None:
        for name in ("kernel", "bias", "kernel_scale"):
            store[name] = keras.ops.convert_to_numpy(getattr(self, name))

    def load_own_variables(self, store: Any) -> None:
        self.set_integers(store["kernel"][...], store["bias"][...], store["kernel_scale"][...])

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "input_affine": keras.saving.serialize_keras_object(self.input_affine),
            "output_affine": keras.saving.serialize_keras_object(self.output_affine),
            "output_min": self.output_min,
            "output_max": self.output_max,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Contraction:
        return super().from_config(deserialize_affines(config))

    @property
    def _requantization(self) -> dict[str, Any]:
        assert self.output_affine is not None
        return {
            "input_zero_point": self.input_affine.zero_point,
            "output_zero_point": self.output_affine.zero_point,
            "output_min": self.output_min,
            "output_max": self.output_max,
        }

    def _update_multiplier(self) -> None:
        # XLA cannot raise on values, so a bad scale has to be found here.
        scale = keras.ops.convert_to_numpy(self.kernel_scale)
        with np.errstate(over="ignore", under="ignore"):
            multiplier = np.float32(self.input_affine.scale) * scale
            if self.output_affine is not None:
                multiplier = multiplier / np.float32(self.output_affine.scale)
        for name, values in (("kernel_scale", scale), ("multiplier", multiplier)):
            bad = ~(np.isfinite(values) & (values > 0))
            if bad.any():
                raise ValueError(
                    f"`{name}` of layer '{self.name}' must be positive and finite in every "
                    f"channel. Received: {name}={values[bad][0]} in channel {bad.argmax()}"
                )
        self.multiplier.assign(multiplier)


def deserialize_affines(config: dict[str, Any]) -> dict[str, Any]:
    """Returns a layer's config with its serialized `Affine` objects revived."""
    return {
        name: keras.saving.deserialize_keras_object(value) if name.endswith("affine") else value
        for name, value in config.items()
    }
