"""Checks of the Python arguments of the integer ops."""

from typing import Any

import numpy as np
from keras import backend


def standardize_zero_points(dtype: str = "int8", **values: int) -> dict[str, int]:
    """Return integers; raise unless they are valid zero points of int8 (or 0, for int16)."""
    return _integers(*((-128, 127) if dtype == "int8" else (0, 0)), values)


def integer_dtype(x: Any) -> str:
    """Return "int16" for an int16 tensor, otherwise "int8", the default of the ops."""
    return "int16" if backend.standardize_dtype(x.dtype) == "int16" else "int8"


def standardize_output_range(
    output_min: int | None, output_max: int | None, dtype: str
) -> dict[str, int]:
    """Return the range of an output, by default that of its dtype; raise if it is invalid."""
    limits = np.iinfo(dtype)
    low = limits.min if output_min is None else output_min
    high = limits.max if output_max is None else output_max
    ends = _integers(limits.min, limits.max, {"output_min": low, "output_max": high})
    if low > high:
        raise ValueError(
            "`output_min` must not exceed `output_max`. "
            f"Received: output_min={low}, output_max={high}"
        )
    return ends


def _integers(low: int, high: int, values: dict[str, int]) -> dict[str, int]:
    for name, value in values.items():
        if not low <= value <= high or int(value) != value:
            raise ValueError(
                f"`{name}` must be an integer from {low} to {high}. Received: {name}={value}"
            )
    return {name: int(value) for name, value in values.items()}


def check_scales(**scales: float) -> None:
    """Raise unless every scale is a positive finite number."""
    for name, scale in scales.items():
        if not 0.0 < scale < float("inf"):
            raise ValueError(f"`{name}` must be positive and finite. Received: {name}={scale}")


def product_multiplier(scale0: float, scale1: float, output_scale: float) -> float:
    """Return `float32(float32(scale0 * scale1) / output_scale)`; raise unless all are positive."""
    check_scales(scale0=scale0, scale1=scale1, output_scale=output_scale)
    with np.errstate(over="ignore", under="ignore"):
        multiplier = float(np.float32(scale0) * np.float32(scale1) / np.float32(output_scale))
    check_scales(**{"scale0 * scale1 / output_scale": multiplier})
    return multiplier


def check_tensor(name: str, tensor: Any, dtype: str | tuple[str, ...], rank: int) -> None:
    """Raise if `tensor` has another dtype or rank."""
    found = backend.standardize_dtype(tensor.dtype)
    dtypes = (dtype,) if isinstance(dtype, str) else dtype
    if found not in dtypes or len(tensor.shape) != rank:
        raise ValueError(
            f"`{name}` must be a tensor of dtype {' or '.join(dtypes)} and rank {rank}. "
            f"Received: {name}.dtype={found}, {name}.shape={tuple(tensor.shape)}"
        )


def as_pair(name: str, value: int | tuple[int, int]) -> tuple[int, int]:
    """Return `value` as (height, width), both at least 1."""
    pair = (value, value) if isinstance(value, int) else tuple(value)
    if len(pair) != 2 or any(int(v) != v or v < 1 for v in pair):
        raise ValueError(
            f"`{name}` must be a positive integer or a pair of them. Received: {name}={value}"
        )
    return int(pair[0]), int(pair[1])


def standardize_padding(padding: str) -> str:
    """Return `padding` in lower case; raise unless it is "same" or "valid"."""
    lowered = str(padding).lower()
    if lowered not in ("same", "valid"):
        raise ValueError(f"`padding` must be 'same' or 'valid'. Received: padding={padding!r}")
    return lowered


def standardize_pads(padding: Any) -> Any:
    """Return `padding` as "same", "valid", or `((top, bottom), (left, right))`."""
    if isinstance(padding, str):
        return standardize_padding(padding)
    try:
        pads = tuple((int(before), int(after)) for before, after in padding)
    except (TypeError, ValueError):
        pads = ()
    if len(pads) != 2 or any(width < 0 for pair in pads for width in pair):
        raise ValueError(
            "`padding` must be 'same', 'valid' or non-negative ((top, bottom), (left, right)). "
            f"Received: padding={padding!r}"
        )
    return pads


def pads_of_axes(padding: Any) -> tuple[Any, Any]:
    """Return a standardized padding for each of two axes: "same", "valid", or (before, after)."""
    return (padding, padding) if isinstance(padding, str) else padding


def output_size(
    size: int | None, window: int, stride: int, padding: str | tuple[int, int]
) -> int | None:
    """Return the number of windows along an axis; None for an axis of unknown size."""
    if size is None:
        return None
    if padding != "same":
        size += (0 if isinstance(padding, str) else sum(padding)) - (window - 1)
    return -(-size // stride)


def standardize_window(
    strides: int | tuple[int, int], padding: Any, dilation_rate: int | tuple[int, int]
) -> dict[str, Any]:
    """Return the arguments of a window in standard form."""
    return {
        "strides": as_pair("strides", strides),
        "padding": standardize_pads(padding),
        "dilation_rate": as_pair("dilation_rate", dilation_rate),
    }


def native_window(arguments: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of a convolution in the form of the native ops."""
    padding = arguments["padding"]
    if isinstance(padding, str):
        return arguments
    return arguments | {"padding": "valid", "pads": [*padding[0], *padding[1]]}
