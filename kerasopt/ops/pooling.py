"""Average and max pooling of int8 images, over windows or globally."""

from typing import Any

import numpy as np

from kerasopt.ops.dispatch import call
from kerasopt.ops.validation import (
    as_pair,
    check_scales,
    standardize_padding,
    standardize_zero_points,
)


def quantized_average_pool(
    x: Any,
    *,
    pool_size: int | tuple[int, int],
    strides: int | tuple[int, int],
    padding: str = "valid",
    input_scale: float,
    input_zero_point: int,
    output_scale: float,
    output_zero_point: int,
) -> Any:
    """Average an int8 image over windows.

    Computes `clamp(round_half_even(float32(sum(x - input_zero_point)) * M) + zp)` with
    `M = float32(float32(input_scale / output_scale) / pixels)`, where `pixels` is the number of
    pixels of a window inside the image.

    ```python
    x = np.ones((1, 8, 8, 4), "int8")
    y = kerasopt.ops.quantized_average_pool(
        x, pool_size=2, strides=2, input_scale=0.1, input_zero_point=3,
        output_scale=0.05, output_zero_point=0,
    )
    ```

    Args:
        x: int8 tensor of shape `(batch, height, width, channels)`.
        pool_size: Integer or pair.
        strides: Integer or pair.
        padding: `"same"` or `"valid"`.
        input_scale: Scale of `x`, a Python number.
        input_zero_point: Zero point of `x`, an integer from -128 to 127.
        output_scale: Scale of the result.
        output_zero_point: Zero point of the result.

    Returns:
        int8 tensor of shape `(batch, new_height, new_width, channels)`.

    Raises:
        ValueError: If an argument is outside its range, or the window does not fit.
        tf.errors.InvalidArgumentError: The same from the native op.
    """
    average = _average(input_scale, input_zero_point, output_scale, output_zero_point)
    return call("quantized_average_pool", x, **_window(pool_size, strides, padding), **average)


def max_pool(
    x: Any,
    *,
    pool_size: int | tuple[int, int],
    strides: int | tuple[int, int],
    padding: str = "valid",
) -> Any:
    """Take the maximum of an int8 image over windows.

    ```python
    x = np.ones((1, 8, 8, 4), "int8")
    y = kerasopt.ops.max_pool(x, pool_size=3, strides=2, padding="same")
    ```

    Args:
        x: int8 tensor of shape `(batch, height, width, channels)`.
        pool_size: Integer or pair.
        strides: Integer or pair.
        padding: `"same"` or `"valid"`. Padding is ignored.

    Returns:
        int8 tensor of shape `(batch, new_height, new_width, channels)`.

    Raises:
        ValueError: If an argument is outside its range, or the window does not fit.
        tf.errors.InvalidArgumentError: The same from the native op.
    """
    return call("max_pool", x, **_window(pool_size, strides, padding))


def quantized_mean(
    x: Any,
    *,
    input_scale: float,
    input_zero_point: int,
    output_scale: float,
    output_zero_point: int,
    keepdims: bool = False,
) -> Any:
    """Average an int8 image over its height and width.

    Computes `clamp(round_half_even(float32(sum(x - input_zero_point)) * M) + zp)` with
    `M = float32(float32(input_scale / output_scale) / (height * width))`.

    ```python
    x = np.ones((1, 8, 8, 4), "int8")
    y = kerasopt.ops.quantized_mean(
        x, input_scale=0.1, input_zero_point=3, output_scale=0.05, output_zero_point=0
    )
    ```

    Args:
        x: int8 tensor of shape `(batch, height, width, channels)`.
        input_scale: Scale of `x`, a Python number.
        input_zero_point: Zero point of `x`, an integer from -128 to 127.
        output_scale: Scale of the result.
        output_zero_point: Zero point of the result, an integer from -128 to 127.
        keepdims: Keep height and width as axes of size 1.

    Returns:
        int8 tensor of shape `(batch, channels)`, or `(batch, 1, 1, channels)` with `keepdims`.

    Raises:
        ValueError: If a scale is not positive and finite or a zero point is outside int8.
        tf.errors.InvalidArgumentError: From the native op, if dtype or rank is wrong or the
            image is empty.
    """
    average = _average(input_scale, input_zero_point, output_scale, output_zero_point)
    return call("quantized_mean", x, **average, keepdims=keepdims)


def _window(
    pool_size: int | tuple[int, int], strides: int | tuple[int, int], padding: str
) -> dict[str, Any]:
    return {
        "pool_size": as_pair("pool_size", pool_size),
        "strides": as_pair("strides", strides),
        "padding": standardize_padding(padding),
    }


def _average(
    input_scale: float, input_zero_point: int, output_scale: float, output_zero_point: int
) -> dict[str, Any]:
    """Returns the rounding arguments of the sums of an average, for the ops."""
    zero_points = standardize_zero_points(
        input_zero_point=input_zero_point, output_zero_point=output_zero_point
    )
    check_scales(input_scale=input_scale, output_scale=output_scale)
    ratio = float(np.float32(input_scale) / np.float32(output_scale))
    check_scales(**{"input_scale / output_scale": ratio})
    return {"scale_ratio": ratio, **zero_points}
