"""Integer convolutions as sums of shifted products."""

import math
from collections.abc import Iterator
from typing import Any

from keras import ops

from kerasopt.ops.reference.matmul import contract, integer_matmul, is_usable, scale_to_float
from kerasopt.ops.validation import check_tensor


def same_padding(size: Any, window: int, stride: int) -> tuple[Any, Any]:
    """Return the padding before and after an axis, whose size may be a tensor."""
    total = window - 1 - (size - 1) % stride
    total = max(total, 0) if isinstance(size, int) else ops.maximum(total, 0)
    return total // 2, total - total // 2


def shifted_inputs(
    x: Any,
    kernel_size: tuple[int, int],
    strides: tuple[int, int],
    padding: Any,
    dilation_rate: tuple[int, int],
    zero_point: int,
) -> Iterator[tuple[int, int, Any]]:
    """Yield (i, j, the int32 input under kernel position (i, j) for every output pixel)."""
    windows = [(k - 1) * d + 1 for k, d in zip(kernel_size, dilation_rate, strict=True)]
    sizes = ops.shape(x)[1:3]
    pads = None if isinstance(padding, str) else padding
    least = (1, 1) if padding == "same" else tuple(windows)
    if pads is not None:
        least = tuple(low - sum(pair) for low, pair in zip(least, pads, strict=True))
    # Only TensorFlow has images of unknown size; too small ones give empty outputs.
    if any(isinstance(size, int) and size < low for size, low in zip(sizes, least, strict=True)):
        raise ValueError(
            "The kernel must fit into the input when `padding='valid'`. "
            f"Received: input size={sizes}, dilated kernel size={tuple(windows)}"
        )
    x = ops.cast(x, "int32") - zero_point
    if padding == "same":
        pads = [same_padding(*args) for args in zip(sizes, windows, strides, strict=True)]
    if pads is not None:
        # The zero point has just been subtracted, so padding with it is padding with 0.
        x = ops.pad(x, [(0, 0), *pads, (0, 0)])
    for i in range(kernel_size[0]):
        for j in range(kernel_size[1]):
            places = zip((i, j), dilation_rate, windows, strides, strict=True)
            rows, columns = (
                # The rest of the last window after this position, counted from the end.
                slice(at * rate, (at * rate - window + 1) or None, stride)
                for at, rate, window, stride in places
            )
            yield i, j, x[:, rows, columns]


def quantized_conv2d(
    x: Any,
    kernel: Any,
    bias: Any,
    multiplier: Any,
    *,
    strides: tuple[int, int],
    padding: Any,
    dilation_rate: tuple[int, int],
    groups: int,
    **quantization: int,
) -> Any:
    """Reference of `kerasopt.ops.quantized_conv2d`."""
    check_tensor("x", x, ("int8", "int16"), 4)
    check_tensor("kernel", kernel, "int8", 4)
    kernel_size = tuple(kernel.shape[:2])

    def sum_products(x: Any) -> Any:
        sums: Any = 0
        for i, j, pixels in shifted_inputs(x, kernel_size, strides, padding, dilation_rate, 0):
            parts = ops.split(pixels, groups, -1), ops.split(kernel[i, j], groups, -1)
            products = [integer_matmul(*part) for part in zip(*parts, strict=True)]
            sums = sums + ops.concatenate(products, -1)
        return sums

    return contract(x, sum_products, bias, multiplier, math.prod(kernel.shape[:3]), **quantization)


def quantized_depthwise_conv2d(
    x: Any,
    kernel: Any,
    bias: Any,
    multiplier: Any,
    *,
    strides: tuple[int, int],
    padding: Any,
    dilation_rate: tuple[int, int],
    **quantization: int,
) -> Any:
    """Reference of `kerasopt.ops.quantized_depthwise_conv2d`."""
    check_tensor("x", x, ("int8", "int16"), 4)
    check_tensor("kernel", kernel, "int8", 4)
    height, width, channels, depth_multiplier = kernel.shape
    weights = ops.cast(kernel, "int32")

    def sum_products(x: Any) -> Any:
        sums: Any = 0
        for i, j, pixels in shifted_inputs(x, (height, width), strides, padding, dilation_rate, 0):
            sums = sums + ops.expand_dims(pixels, -1) * weights[i, j]
        return ops.reshape(sums, (-1, *ops.shape(sums)[1:3], channels * depth_multiplier))

    return contract(x, sum_products, bias, multiplier, height * width, **quantization)


# Sums are multiplied by it, so that a bias rounded to an integer stays precise.
_SUM_STEP = 2**12


def binary_conv2d(
    x: Any,
    kernel: Any,
    scale: Any,
    bias: Any,
    *,
    strides: tuple[int, int],
    padding: Any,
    dilation_rate: tuple[int, int],
) -> Any:
    """Reference of `kerasopt.ops.binary_conv2d`."""
    check_tensor("x", x, "float32", 4)
    signs = ops.where(x >= 0, 1, -1)
    shifted = shifted_inputs(signs, kernel.shape[:2], strides, padding, dilation_rate, 0)
    sums: Any = 0
    for i, j, pixels in shifted:
        sums = sums + integer_matmul(pixels, kernel[i, j])
    y = scale_to_float(sums * _SUM_STEP, scale / _SUM_STEP, bias)
    return ops.where(is_usable(scale), y, float("nan"))
