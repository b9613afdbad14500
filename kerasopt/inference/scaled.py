"""Base of the layers with a kernel in few bits and a float output."""

from __future__ import annotations

from typing import Any

import numpy as np

from kerasopt.inference.packed import FormattedLayer, PackedPart


class ScaledLayer(FormattedLayer):
    """Base of the layers whose sums are scaled to float32.

    Args:
        **kwargs: `weight_format`, see `kerasopt.ops.PackedWeights`, and the arguments of
            `keras.layers.Layer`.

    Attributes:
        kernel: `PackedPart` of int8, or of float16 or bfloat16.
        kernel_scale: `PackedPart` of float32, a value for each output channel.
        bias: `PackedPart` of float32, a value for each output channel.
    """

    packed_names = ("kernel", "bias", "kernel_scale")
    stored_names = ("kernel", "kernel_scale", "bias")

    @property
    def packing(self) -> dict[str, Any]:
        return {**super().packing, "bias_dtype": "float32"}

    @property
    def kernel_scale(self) -> PackedPart:
        return PackedPart(self.packed, 2)

    def set_floats(self, kernel: Any, kernel_scale: Any, gain: Any, offset: Any) -> None:
        """Sets the weights of a layer that a gain and an offset per output follow.

        Args:
            kernel: Array of numbers that the dtype of the kernel holds.
            kernel_scale: Array of shape `(units,)`, or a number, positive and finite.
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
        signs = np.sign(gain).astype(np.asarray(kernel).dtype)
        self.set_arrays(kernel * signs, scale, offset)

    def set_arrays(self, kernel: Any, kernel_scale: Any, bias: Any) -> None:
        floats = (np.asarray(values, "float32") for values in (bias, kernel_scale))
        self.set_packed(np.asarray(kernel, self.packed.dtype), *floats)
