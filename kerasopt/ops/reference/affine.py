"""Affine quantization between float32 and integers."""

import math
from typing import Any

from keras import ops

# Smaller scales count as 0: some threads of TensorFlow flush them to 0 and others do not.
_SMALLEST_SCALE = 2.0**-126
INTEGER_RANGES = {"int4": (-8, 7), "int8": (-128, 127), "uint8": (0, 255), "int16": (-32768, 32767)}


def quantize(x: Any, scale: Any, zero_point: int, dtype: str = "int8") -> Any:
    """`clamp(round_half_even(x / scale) + zero_point)`; NaN becomes the zero point."""
    minimum, maximum = INTEGER_RANGES[dtype]
    scaled = x / scale
    q = ops.round(scaled)
    # Clamping before the zero point is added keeps float32 out of the integer sum.
    q = ops.clip(q, minimum - zero_point, maximum - zero_point)
    q = ops.where(ops.isnan(scaled), ops.zeros_like(q), q)
    return ops.cast(ops.cast(q, "int32") + zero_point, "int8" if dtype == "int4" else dtype)


def dequantize(q: Any, scale: Any, zero_point: int) -> Any:
    """`(q - zero_point) * scale` in float32."""
    return ops.cast(ops.cast(q, "int32") - zero_point, "float32") * scale


@ops.custom_gradient
def _fake_quantize(x: Any, scale: Any, zero_point: Any, qmin: Any, qmax: Any) -> Any:
    def grad(*args: Any, upstream: Any = None) -> tuple[Any, ...]:
        if upstream is None:
            (upstream,) = args
        inside = _is_inside(x, scale, zero_point, qmin, qmax)
        dx = ops.where(inside, upstream, ops.zeros_like(upstream))
        return (dx, *(ops.zeros_like(v) for v in (scale, zero_point, qmin, qmax)))

    y = (ops.clip(ops.round(x / scale) + zero_point, qmin, qmax) - zero_point) * scale
    # min and max treat NaN differently between backends; NaN must stay visible.
    return ops.where(ops.logical_or(ops.isnan(x), ops.equal(scale, 0.0)), x, y), grad


def _scale_of_grid(scale: Any, zero_point: Any, qmin: Any, qmax: Any) -> Any:
    """`scale`, but NaN for an invalid grid, and 0 if it is negligible."""
    is_inside = ops.logical_and(zero_point >= qmin, zero_point <= qmax)
    is_point = ops.logical_and(is_inside, ops.equal(ops.round(zero_point), zero_point))
    is_grid = ops.logical_and(ops.isfinite(scale), is_point)
    is_zero = ops.abs(scale) < _SMALLEST_SCALE
    return ops.where(is_zero, 0.0, ops.where(is_grid, scale, math.nan))


def fake_quantize(x: Any, scale: Any, zero_point: Any, qmin: int, qmax: int) -> Any:
    """`(clip(round_half_even(x / scale) + zero_point, qmin, qmax) - zero_point) * scale`."""
    scale, zero_point, low, high = (
        ops.convert_to_tensor(v, "float32") for v in (scale, zero_point, qmin, qmax)
    )
    scale = _scale_of_grid(scale, zero_point, low, high)
    return _fake_quantize(ops.convert_to_tensor(x), scale, zero_point, low, high)


def learned_scale_gradients(
    upstream: Any, x: Any, scale: Any, zero_point: Any, qmin: Any, qmax: Any
) -> tuple[Any, Any, Any]:
    """Reference of `kerasopt.ops.learned_scale_gradients`."""
    scale, zero_point, qmin, qmax = (
        ops.convert_to_tensor(v, "float32") for v in (scale, zero_point, qmin, qmax)
    )
    shape = scale.shape
    scale = _scale_of_grid(scale, zero_point, qmin, qmax)
    inside = _is_inside(x, scale, zero_point, qmin, qmax)
    zeros = ops.zeros_like(upstream)
    scaled = x / scale
    codes = ops.clip(ops.round(scaled) + zero_point, qmin, qmax) - zero_point
    codes = ops.where(ops.isnan(scaled), scaled, codes)  # as in `_fake_quantize`
    by_scale = upstream * ops.where(inside, codes - scaled, codes)
    by_scale = ops.where(ops.equal(scale, 0.0), zeros, by_scale)
    clamped = ops.where(inside, zeros, upstream)
    axes = tuple(range(len(upstream.shape) - (math.prod(shape) != 1)))
    by_scale, clamped = (
        ops.reshape(ops.sum(values, axis=axes), shape) for values in (by_scale, clamped)
    )
    return ops.where(inside, upstream, zeros), by_scale, clamped


def _is_inside(x: Any, scale: Any, zero_point: Any, qmin: Any, qmax: Any) -> Any:
    """Whether values are not clamped; true for all if a scale of 0 switches rounding off."""
    q = ops.round(x / scale) + zero_point
    return ops.logical_or(ops.equal(ops.clip(q, qmin, qmax), q), ops.equal(scale, 0.0))


def min_max(x: Any) -> tuple[Any, Any]:
    """Smallest and largest value of `x`; NaN if `x` contains NaN."""
    x = ops.stop_gradient(x)
    # Compilers differ in whether min and max propagate NaN.
    poison = ops.where(ops.any(ops.isnan(x)), float("nan"), 0.0)
    return ops.min(x) + poison, ops.max(x) + poison
