"""Average and max pooling of int8 images."""

import math
from typing import Any

import numpy as np
from keras import ops

from kerasopt.ops.reference.convolution import same_padding, shifted_inputs
from kerasopt.ops.reference.matmul import requantize
from kerasopt.ops.validation import check_tensor


def quantized_average_pool(
    x: Any,
    *,
    pool_size: tuple[int, int],
    strides: tuple[int, int],
    padding: str,
    scale_ratio: float,
    input_zero_point: int,
    output_zero_point: int,
) -> Any:
    """Reference of `kerasopt.ops.quantized_average_pool`."""
    check_tensor("x", x, "int8", 4)
    window = (pool_size, strides, padding, (1, 1))
    total: Any = sum(pixels for _, _, pixels in shifted_inputs(x, *window, input_zero_point))
    count: Any = math.prod(pool_size)
    if padding == "same":
        # At the borders, windows have fewer pixels inside the image.
        axes = zip(ops.shape(x)[1:3], pool_size, strides, strict=True)
        rows, columns = (_pixels_inside(*axis) for axis in axes)
        count = rows[:, None, None] * columns[:, None]
    multiplier = _quotient(scale_ratio, count)
    return requantize(total, 0, multiplier, output_zero_point, -128, 127)


def max_pool(x: Any, *, pool_size: tuple[int, int], strides: tuple[int, int], padding: str) -> Any:
    """Reference of `kerasopt.ops.max_pool`."""
    check_tensor("x", x, "int8", 4)
    return ops.max_pool(x, pool_size, strides, padding, data_format="channels_last")


def quantized_mean(
    x: Any, *, scale_ratio: float, input_zero_point: int, output_zero_point: int, keepdims: bool
) -> Any:
    """Mean over height and width with `M = float32(scale_ratio / pixels)`."""
    check_tensor("x", x, "int8", 4)
    accumulator = ops.sum(ops.cast(x, "int32") - input_zero_point, axis=(1, 2), keepdims=keepdims)
    height, width = ops.shape(x)[1:3]
    multiplier = _quotient(scale_ratio, height * width)
    return requantize(accumulator, 0, multiplier, output_zero_point, -128, 127)


def _pixels_inside(size: Any, window: int, stride: int) -> Any:
    """Return the number of pixels of each window inside the image, along one axis."""
    math_of: Any = np if isinstance(size, int) else ops
    before, _ = same_padding(size, window, stride)
    begins = math_of.arange(0, size, stride) - before
    return math_of.minimum(begins + window, size) - math_of.maximum(begins, 0)


def _quotient(scale_ratio: float, count: Any) -> Any:
    """Return `float32(scale_ratio / count)`."""
    if isinstance(count, (int, np.ndarray)):
        return np.float32(scale_ratio) / np.float32(count)
    # Compilers that know the size replace the division by a multiplication with the reciprocal. In
    # float64 this is too precise to change the result rounded to float32.
    return ops.cast(float(np.float32(scale_ratio)) / ops.cast(count, "float64"), "float32")
