"""Base of the integer layers with a kernel."""

from __future__ import annotations

from typing import Any

import numpy as np

from kerasopt.inference.integer.layer import ClampedLayer
from kerasopt.inference.packed import FormattedLayer, PackedPart
from kerasopt.keras_internals.variables import set_values
from kerasopt.ops.reference.int16 import MOST_PRODUCTS


class Contraction(ClampedLayer, FormattedLayer):
    """Base of the layers that sum products of int8 or int16 values with an int8 kernel.

        q = clamp(rint(float32(sum((x - z_x) * kernel) + bias) * M) + z_y)
        M = float32(float32(s_x * s_w) / s_y)

    with the scales and zero points of input (`s_x`, `z_x`) and output (`s_y`, `z_y`) and one
    `s_w` per output channel. Rounding is half to even; sums are int32. For int16 values, see
    `kerasopt.ops.requantization`.

    Args:
        input_affine: `Affine` of the input.
        output_affine: `Affine` of the output.
        **kwargs: `weight_format`, and the arguments of `ClampedLayer`.

    Attributes:
        most_int16_products: Of a class, how many products with int16 values are summed at most.
        kernel_scale: float32 variable, `s_w`.
        bias: `PackedPart` of int32 at scale `s_x * s_w`.
        multiplier: `PackedPart` of float32, `M`.
    """

    takes_int16 = True
    stored_names = ("kernel", "bias", "kernel_scale")
    most_int16_products = MOST_PRODUCTS

    def build(self, input_shape: Any) -> None:
        super().build(input_shape)
        self.kernel_scale = self.add_weight(
            name="kernel_scale", shape=(self.packed.channels,), initializer="ones"
        )

    @property
    def multiplier(self) -> PackedPart:
        return PackedPart(self.packed, 2)

    def set_arrays(self, kernel: Any, bias: Any, kernel_scale: Any) -> None:
        """Sets kernel, bias and scales.

        Args:
            kernel: int8 array of the kernel's shape.
            bias: int32 array of shape `(channels,)`.
            kernel_scale: float32 array of shape `(channels,)`, positive and finite.

        Raises:
            ValueError: If a scale, or the multiplier that follows from it, is not positive and
                finite.
        """
        kernel_scale = np.asarray(kernel_scale, "float32")
        multiplier = self._multiplier_of(kernel_scale)
        self.set_packed(np.asarray(kernel, "int8"), np.asarray(bias, "int32"), multiplier)
        set_values(self.kernel_scale, kernel_scale)

    @property
    def _requantization(self) -> dict[str, Any]:
        zero_points = {
            "input_zero_point": self.input_affine.zero_point,
            "output_zero_point": self.output_affine.zero_point,
        }
        return {**zero_points, **self.clamp}

    def _multiplier_of(self, scale: np.ndarray) -> np.ndarray:
        # XLA cannot raise on values, so a bad scale has to be found here.
        with np.errstate(over="ignore", under="ignore"):
            multiplier = np.float32(self.input_affine.scale) * scale
            multiplier = multiplier / np.float32(self.output_affine.scale)
        for name, values in (("kernel_scale", scale), ("multiplier", multiplier)):
            bad = ~(np.isfinite(values) & (values > 0))
            if bad.any():
                raise ValueError(
                    f"`{name}` of layer '{self.name}' must be positive and finite in every "
                    f"channel. Received: {name}={values[bad][0]} in channel {bad.argmax()}"
                )
        return multiplier
