"""Batch normalization and bias folded into an integer kernel, once, in float64."""

from __future__ import annotations

from typing import Any, NamedTuple

import keras
import numpy as np

from kerasopt.inference import Affine
from kerasopt.lowering.values import StaysFloat

# The largest product of an input less its zero point and a weight: 255 * 127.
_LARGEST_PRODUCT = 32385
_INT32_MAX = 2**31 - 1
# Biases up to here keep, as multiples of their scale, more digits than float32 has.
_LARGEST_BIAS = 2**30
# Multipliers below this would underflow float32 on their way; their channel is 0 anyway.
_SMALLEST_MULTIPLIER = 2.0**-60


class IntegerWeights(NamedTuple):
    """Arrays of an integer layer: int8 kernel, int32 bias, float32 scales per channel."""

    kernel: np.ndarray
    bias: np.ndarray
    kernel_scale: np.ndarray

    @property
    def products(self) -> int:
        """How many products are summed for an output."""
        return self.kernel.size // self.bias.size


def channel_affine(
    layer: keras.Layer | None,
    batch_normalization: keras.Layer | None,
    channels: int,
    bias: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Returns gain and offset that follow the kernel's sums: `gain * sum + offset`.

        gain = gamma / sqrt(variance + epsilon)
        offset = beta + (bias - mean) * gain

    Args:
        layer: The layer with the kernel, and perhaps a bias; `None` without a kernel.
        batch_normalization: The layer after it, or `None`: gain 1, offset bias.
        channels: Number of output channels.
        bias: The bias of each channel. Defaults to the layer's own.

    Returns:
        Two float64 arrays of shape `(channels,)`.
    """
    if bias is None:
        bias = _numbers(getattr(layer, "bias", None), 0.0, channels)
    if batch_normalization is None:
        return np.ones(channels), bias
    normalization: Any = batch_normalization
    gamma = _numbers(normalization.gamma, 1.0, channels)
    beta = _numbers(normalization.beta, 0.0, channels)
    mean = _numbers(normalization.moving_mean, 0.0, channels)
    variance = _numbers(normalization.moving_variance, 1.0, channels)
    gain = gamma / np.sqrt(variance + normalization.epsilon)
    return gain, beta + (bias - mean) * gain


def fold(
    kernel: np.ndarray,
    kernel_scale: np.ndarray,
    gain: np.ndarray,
    offset: np.ndarray,
    input_affine: Affine,
    output_affine: Affine,
) -> IntegerWeights:
    """Folds a gain and an offset per channel into an integer kernel.

    The integers stay as training rounded them, with the sign of the gain; the scale takes its
    magnitude, so folding adds no rounding. Only where the bias would leave int32 at that scale
    (a gain near zero) the scale is enlarged, and the channel's integers are rounded to it.

    Args:
        kernel: Whole numbers of shape `(..., channels)`: one column per output channel.
        kernel_scale: Scales of shape `(channels,)`.
        gain: Array of shape `(channels,)`.
        offset: Array of shape `(channels,)`, in real units.
        input_affine: `Affine` of the layer's input.
        output_affine: `Affine` of its output.

    Returns:
        `IntegerWeights`; the bias is at the scale of the input times `kernel_scale`.

    Raises:
        StaysFloat: If so many products with int8 are summed that the sum may leave int32.
        ValueError: If gain or offset are not finite.
    """
    if not (np.isfinite(gain).all() and np.isfinite(offset).all()):
        raise ValueError(
            "A bias or batch normalization has values that are not finite: the training diverged."
        )
    products = int(np.prod(kernel.shape[:-1]))
    largest_bias = _LARGEST_BIAS
    if input_affine.bits == 8:
        largest_bias = min(largest_bias, _INT32_MAX - products * _LARGEST_PRODUCT)
    if largest_bias < 2**24:
        raise StaysFloat(f"a sum of {products} products may leave int32")
    input_scale = input_affine.scale
    kernel = np.where(gain < 0, -kernel, kernel)
    exact = np.where(kernel.any(axis=tuple(range(kernel.ndim - 1))), kernel_scale * abs(gain), 0.0)
    needed = np.maximum(
        abs(offset) / (input_scale * largest_bias),
        _SMALLEST_MULTIPLIER * output_affine.scale / input_scale,
    )
    # A channel that only has a bias takes whatever scale holds the bias best.
    scale = np.where((exact == 0) & (offset == 0), 1.0, np.maximum(exact, needed))
    scale = scale.astype("float32")
    kernel = np.where(exact >= needed, kernel, np.rint(kernel * (exact / scale)))
    bias = np.rint(offset / (input_scale * scale.astype("float64")))
    return IntegerWeights(kernel.astype("int8"), bias.astype("int32"), scale)


def _numbers(variable: Any, default: float, channels: int) -> np.ndarray:
    if variable is None:
        return np.full(channels, default)
    return keras.ops.convert_to_numpy(variable).astype("float64").reshape(channels)
