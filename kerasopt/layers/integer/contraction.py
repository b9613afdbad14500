"""Base of the integer layers with a kernel."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from kerasopt import ops
from kerasopt.layers.integer.layer import ClampedLayer

_STORED = ("kernel", "bias", "kernel_scale")


class Contraction(ClampedLayer):
    """Base of the layers that sum products with an int8 kernel.

        q = clamp(rint(float32(sum((x - z_x) * kernel) + bias) * M) + z_y)
        M = float32(float32(s_x * s_w) / s_y)

    with the scales and zero points of input (`s_x`, `z_x`) and output (`s_y`, `z_y`) and one
    `s_w` per output channel. Rounding is half to even; sums are int32.

    Args:
        input_affine: `Affine` of the input.
        output_affine: `Affine` of the output.
        **kwargs: The arguments of `ClampedLayer`.

    Attributes:
        kernel: int8 variable, symmetric (zero point 0); in a `PackedContraction` an array.
        bias: int32 variable at scale `s_x * s_w`.
        kernel_scale: float32 variable, `s_w`.
        multiplier: float32 variable, `M`; computed whenever `kernel_scale` is set.
    """

    def add_integer_weights(self, kernel_shape: tuple[int, ...], channels: int) -> None:
        """Creates the variables; `channels` is the number of output channels."""
        self.add_kernel(kernel_shape)
        self.bias = self._add("bias", (channels,), "int32", "zeros")
        self.kernel_scale = self._add("kernel_scale", (channels,), "float32", "ones")
        self.multiplier = self._add("multiplier", (channels,), "float32", "ones")
        self._update_multiplier()

    def add_kernel(self, shape: tuple[int, ...]) -> None:
        """Creates the kernel."""
        self.kernel = self._add("kernel", shape, "int8", "zeros")

    def set_kernel(self, kernel: Any) -> None:
        """Sets the kernel to an int8 array of its shape."""
        self.kernel.assign(kernel)

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
        self.set_kernel(kernel)
        self.bias.assign(bias)
        self.kernel_scale.assign(kernel_scale)
        self._update_multiplier()

    def save_own_variables(self, store: Any) -> None:
        for name in _STORED:
            store[name] = keras.ops.convert_to_numpy(getattr(self, name))

    def load_own_variables(self, store: Any) -> None:
        stored = (self.stored(store, name, getattr(self, name), name) for name in _STORED)
        self.set_integers(*stored)

    def _add(self, name: str, shape: tuple[int, ...], dtype: str, initializer: str) -> Any:
        return self.add_weight(
            name=name, shape=shape, dtype=dtype, initializer=initializer, trainable=False
        )

    @property
    def _requantization(self) -> dict[str, Any]:
        zero_point = self.input_affine.zero_point
        return {"input_zero_point": zero_point, **self.output_quantization}

    def _update_multiplier(self) -> None:
        # XLA cannot raise on values, so a bad scale has to be found here.
        scale = keras.ops.convert_to_numpy(self.kernel_scale)
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
        self.multiplier.assign(multiplier)


class PackedContraction(Contraction):
    """Base of the layers whose kernel lies in memory in the order in which native kernels read it.

    Files hold the kernel in its own shape.

    Args:
        **kwargs: The arguments of `Contraction`.

    Attributes:
        packed_kernel: `kerasopt.ops.PackedKernel` whose values are an int8 variable.
    """

    def add_kernel(self, shape: tuple[int, ...]) -> None:
        packed = ops.PackedKernel(None, shape, **self._packing)
        values = self._add("packed_kernel", (packed.size,), "int8", "zeros")
        self.packed_kernel = packed._replace(values=values)

    def set_kernel(self, kernel: Any) -> None:
        kernel = np.asarray(kernel, "int8")
        self.packed_kernel.values.assign(ops.PackedKernel.pack(kernel, **self._packing).values)

    @property
    def kernel(self) -> np.ndarray:
        """The kernel in its own shape."""
        return keras.ops.convert_to_numpy(self.packed_kernel.unpack())

    @property
    def _packing(self) -> dict[str, Any]:
        """The arguments of `kerasopt.ops.PackedKernel` beside its values and shape."""
        return {}
