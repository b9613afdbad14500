"""Integer convolutions as sums of shifted products."""

from collections.abc import Iterator
from typing import Any

from keras import ops

from kerasopt.ops.reference.matmul import check, integer_matmul, requantize


def _same_padding(size: int, window: int, stride: int) -> tuple[int, int]:
    total = max((-(-size // stride) - 1) * stride + window - size, 0)
    return total // 2, total - total // 2


def shifted_inputs(
    x: Any,
    kernel_size: tuple[int, int],
    strides: tuple[int, int],
    padding: str,
    dilation_rate: tuple[int, int],
    zero_point: int,
) -> Iterator[tuple[int, int, Any]]:
    """Yield (i, j, the int32 input under kernel position (i, j) for every output pixel)."""
    sizes = tuple(x.shape[1:3])
    if None in sizes:
        raise ValueError(
            "The reference convolution needs a known height and width; build the model with a "
            f"static image size or install the native library. Received: x.shape={x.shape}"
        )
    windows = [(k - 1) * d + 1 for k, d in zip(kernel_size, dilation_rate, strict=True)]
    x = ops.cast(x, "int32") - zero_point
    if padding == "same":
        pads = [_same_padding(*args) for args in zip(sizes, windows, strides, strict=True)]
        # The zero point has just been subtracted, so padding with it is padding with 0.
        x = ops.pad(x, [(0, 0), *pads, (0, 0)])
        sizes = tuple(size + sum(pad) for size, pad in zip(sizes, pads, strict=True))
    if any(size < window for size, window in zip(sizes, windows, strict=True)):
        raise ValueError(
            "The kernel must fit into the input when `padding='valid'`. "
            f"Received: input size={sizes}, dilated kernel size={tuple(windows)}"
        )
    spans = [(s - w) // step * step + 1 for s, w, step in zip(sizes, windows, strides, strict=True)]
    for i in range(kernel_size[0]):
        for j in range(kernel_size[1]):
            top, left = i * dilation_rate[0], j * dilation_rate[1]
            rows = slice(top, top + spans[0], strides[0])
            columns = slice(left, left + spans[1], strides[1])
            yield i, j, x[:, rows, columns]


def _grouped_matmul(pixels: Any, kernel: Any, groups: int) -> Any:
    if groups == 1:
        return integer_matmul(pixels, kernel)
    split = zip(ops.split(pixels, groups, axis=-1), ops.split(kernel, groups, axis=-1), strict=True)
    return ops.concatenate([integer_matmul(*pair) for pair in split], axis=-1)


def quantized_conv2d(
    x: Any,
    kernel: Any,
    bias: Any,
    multiplier: Any,
    *,
    strides: tuple[int, int],
    padding: str,
    dilation_rate: tuple[int, int],
    groups: int = 1,
    input_zero_point: int,
    output_zero_point: int,
    output_min: int,
    output_max: int,
) -> Any:
    """Reference of `kerasopt.ops.quantized_conv2d`."""
    check("x", x, "int8", 4)
    check("kernel", kernel, "int8", 4)
    kernel_size = tuple(kernel.shape[:2])
    shifted = shifted_inputs(x, kernel_size, strides, padding, dilation_rate, input_zero_point)
    accumulator: Any = 0
    for i, j, pixels in shifted:
        accumulator = accumulator + _grouped_matmul(pixels, kernel[i, j], groups)
    return requantize(accumulator, bias, multiplier, output_zero_point, output_min, output_max)


def quantized_depthwise_conv2d(
    x: Any,
    kernel: Any,
    bias: Any,
    multiplier: Any,
    *,
    strides: tuple[int, int],
    padding: str,
    dilation_rate: tuple[int, int],
    input_zero_point: int,
    output_zero_point: int,
    output_min: int,
    output_max: int,
) -> Any:
    """Reference of `kerasopt.ops.quantized_depthwise_conv2d`."""
    check("x", x, "int8", 4)
    check("kernel", kernel, "int8", 4)
    *kernel_size, channels, depth_multiplier = kernel.shape
    shifted = shifted_inputs(
        x, tuple(kernel_size), strides, padding, dilation_rate, input_zero_point
    )
    kernel = ops.cast(kernel, "int32")
    accumulator: Any = 0
    for i, j, pixels in shifted:
        accumulator = accumulator + ops.expand_dims(pixels, -1) * kernel[i, j]
    shape = (-1, *accumulator.shape[1:3], channels * depth_multiplier)
    return requantize(
        ops.reshape(accumulator, shape),
        bias,
        multiplier,
        output_zero_point,
        output_min,
        output_max,
    )
