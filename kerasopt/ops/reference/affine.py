"""Affine quantization between float32 and integers."""

from typing import Any

from keras import ops

INTEGER_RANGES = {"int4": (-8, 7), "int8": (-128, 127), "uint8": (0, 255), "int16": (-32768, 32767)}


def quantize(x: Any, scale: Any, zero_point: int, dtype: str = "int8") -> Any:
    """`clamp(round_half_even(x / scale) + zero_point)`; NaN becomes the zero point."""
    minimum, maximum = INTEGER_RANGES[dtype]
    q = ops.round(x / scale)
    # Clamping before the zero point is added keeps float32 out of the integer sum.
    q = ops.clip(q, minimum - zero_point, maximum - zero_point)
    q = ops.where(ops.isnan(x), ops.zeros_like(x), q)
    return ops.cast(ops.cast(q, "int32") + zero_point, "int8" if dtype == "int4" else dtype)


def dequantize(q: Any, scale: Any, zero_point: int) -> Any:
    """`(q - zero_point) * scale` in float32."""
    return ops.cast(ops.cast(q, "int32") - zero_point, "float32") * scale


@ops.custom_gradient
def _fake_quantize(x: Any, scale: Any, zero_point: Any, qmin: Any, qmax: Any) -> Any:
    q = ops.round(x / scale) + zero_point
    clipped = ops.clip(q, qmin, qmax)
    is_off = ops.equal(scale, 0.0)
    inside = ops.logical_or(ops.equal(clipped, q), is_off)

    def grad(*args: Any, upstream: Any = None) -> tuple[Any, ...]:
        if upstream is None:
            (upstream,) = args
        dx = ops.where(inside, upstream, ops.zeros_like(upstream))
        return (dx, *(ops.zeros_like(v) for v in (scale, zero_point, qmin, qmax)))

    y = (clipped - zero_point) * scale
    # min and max differ between backends on NaN; a diverged value stays visible here.
    return ops.where(ops.logical_or(ops.isnan(x), is_off), x, y), grad


def fake_quantize(x: Any, scale: Any, zero_point: Any, qmin: int, qmax: int) -> Any:
    """`(clip(round_half_even(x / scale) + zero_point, qmin, qmax) - zero_point) * scale`."""
    scale, zero_point, low, high = (
        ops.convert_to_tensor(v, "float32") for v in (scale, zero_point, qmin, qmax)
    )
    return _fake_quantize(ops.convert_to_tensor(x), scale, zero_point, low, high)


def min_max(x: Any) -> tuple[Any, Any]:
    """Smallest and largest value of `x`; NaN where `x` holds one."""
    x = ops.stop_gradient(x)
    # Whether min and max pass NaN on differs between compilers.
    poison = ops.where(ops.any(ops.isnan(x)), float("nan"), 0.0)
    return ops.min(x) + poison, ops.max(x) + poison
