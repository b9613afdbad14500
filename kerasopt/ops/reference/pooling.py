"""Averages over windows of int8 images."""

import math
from typing import Any

import numpy as np
from keras import ops

from kerasopt.ops.reference.convolution import shifted_inputs
from kerasopt.ops.reference.matmul import check, requantize


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
    check("x", x, "int8", 4)
    window = (pool_size, strides, padding, (1, 1))
    total: Any = sum(pixels for _, _, pixels in shifted_inputs(x, *window, input_zero_point))
    count: Any = np.float32(math.prod(pool_size))
    if padding == "same":
        # At the borders fewer pixels are in the image.
        ones = ops.ones_like(x[:1, :, :, :1])
        inside: Any = sum(pixels for _, _, pixels in shifted_inputs(ones, *window, 0))
        count = ops.cast(inside, "float32")
    multiplier = np.float32(scale_ratio) / count
    return requantize(total, 0, multiplier, output_zero_point, -128, 127)


def quantized_mean(
    x: Any, *, scale_ratio: float, input_zero_point: int, output_zero_point: int, keepdims: bool
) -> Any:
    """Mean over height and width with `M = float32(scale_ratio / pixels)`."""
    check("x", x, "int8", 4)
    accumulator = ops.sum(ops.cast(x, "int32") - input_zero_point, axis=(1, 2), keepdims=keepdims)
    height, width = x.shape[1:3]
    if height is None or width is None:
        raise ValueError(
            "The reference mean needs a known height and width; build the model with a static "
            f"image size or install the native library. Received: x.shape={x.shape}"
        )
    multiplier = float(np.float32(scale_ratio) / np.float32(height * width))
    return requantize(accumulator, 0, multiplier, output_zero_point, -128, 127)
