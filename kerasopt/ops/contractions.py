"""Integer matrix multiplication and convolutions with fused bias and requantization.

Of int8 tensors, all compute
`clamp(round_half_even(float32(acc + bias) * multiplier) + output_zero_point)` with
`acc = sum((x - input_zero_point) * kernel)` in int32 and
`multiplier = float32(float32(input_scale * kernel_scale) / output_scale)` per output channel.
Sums that do not fit into int32 wrap around as two's complement, equally on every path; below
2^31 / (255 * 128) = 65,793 products no sum can.

Attributes and shapes are checked on every path. A multiplier that is not positive and finite is
refused by the native ops; under XLA, whose computations cannot fail, and in `keras.ops`, the
results of its channel are the output's zero point, which stands for 0.0.

int16 tensors have the zero point 0. Their sums, of up to 65,536 products (511 of a depthwise
convolution), are exact in more than 32 bits; then

    shift = the smallest one, from 1 on, with (products * 2^22 + 2^31) >> shift < 2^31 - 1
    sum = (acc + bias + 2^(shift - 1)) >> shift
    y = clamp(round_half_even(float32(sum) * (2^shift * multiplier)))
"""

from typing import Any

from keras import ops

from kerasopt.ops import native, reference
from kerasopt.ops.packed_weights import PackedWeights
from kerasopt.ops.sparse_weights import SparseWeights
from kerasopt.ops.validation import (
    check_int8,
    check_tensor,
    check_zero_points,
    integer_dtype,
    native_window,
    product_multiplier,
    standardize_output_range,
    standardize_window,
)


def quantized_matmul(
    x: Any,
    kernel: Any,
    bias: Any = None,
    multiplier: Any = None,
    *,
    input_zero_point: int,
    output_zero_point: int,
    output_min: int | None = None,
    output_max: int | None = None,
) -> Any:
    """Multiply an int8 or int16 tensor with an int8 kernel.

    The arithmetic is the one of LiteRT's FULLY_CONNECTED with per-channel weights; a fused ReLU
    or ReLU6 is an output range.

    ```python
    x, kernel = np.ones((2, 64), "int8"), np.ones((64, 10), "int8")
    bias, multiplier = np.zeros(10, "int32"), np.full(10, 0.01, "float32")
    y = kerasopt.ops.quantized_matmul(
        x, kernel, bias, multiplier, input_zero_point=-3, output_zero_point=5, output_min=5
    )
    ```

    Args:
        x: int8 or int16 tensor of shape `(..., inputs)`.
        kernel: int8 tensor of shape `(inputs, units)`, symmetric (zero point 0); or
            `PackedWeights`, or `SparseWeights` for int8, with bias and multiplier, which spares
            packing them at each call.
        bias: int32 tensor of shape `(units,)` at scale `input_scale * kernel_scale`.
        multiplier: float32 tensor of shape `(units,)`, positive and finite.
        input_zero_point: Zero point of `x`, an integer from -128 to 127; 0 for int16.
        output_zero_point: Zero point of the result, an integer from -128 to 127; 0 for int16.
        output_min: Smallest value of the result. Defaults to that of its dtype.
        output_max: Largest value of the result. Defaults to that of its dtype.

    Returns:
        Tensor of the dtype of `x` and of shape `(..., units)`.

    Raises:
        ValueError: If a Python number is outside its range.
        tf.errors.InvalidArgumentError: From the native op, if dtypes or shapes do not agree or a
            multiplier is not positive and finite.
    """
    arguments = _standardize(x, input_zero_point, output_zero_point, output_min, output_max)
    library = native.library_for(x)
    if library is None:
        return reference.quantized_matmul(x, *_unpacked(kernel, bias, multiplier), **arguments)
    if isinstance(kernel, SparseWeights):
        check_tensor("x", x, "int8", len(x.shape))
        return library.kerasopt_sparse_quantized_mat_mul(
            x,
            kernel.values,
            kernel_shape=kernel.shape[-2:],
            entries=kernel.entries,
            block_columns=kernel.block_columns,
            **arguments,
        )
    packed = _packed(kernel, bias, multiplier)
    return library.kerasopt_quantized_mat_mul(
        x,
        packed.values,
        kernel_shape=packed.shape,
        weight_format=packed.format,
        **arguments,
    )


def quantized_conv2d(
    x: Any,
    kernel: Any,
    bias: Any = None,
    multiplier: Any = None,
    *,
    strides: int | tuple[int, int] = 1,
    padding: str | tuple = "valid",
    dilation_rate: int | tuple[int, int] = 1,
    groups: int = 1,
    input_zero_point: int,
    output_zero_point: int,
    output_min: int | None = None,
    output_max: int | None = None,
) -> Any:
    """Convolve an int8 or int16 image with an int8 kernel.

    ```python
    x, kernel = np.ones((1, 8, 8, 4), "int8"), np.ones((3, 3, 4, 16), "int8")
    bias, multiplier = np.zeros(16, "int32"), np.full(16, 0.01, "float32")
    y = kerasopt.ops.quantized_conv2d(
        x, kernel, bias, multiplier, padding="same", input_zero_point=-3, output_zero_point=5
    )
    ```

    Args:
        x: int8 or int16 tensor of shape `(batch, height, width, channels)`.
        kernel: int8 tensor of shape `(kernel_height, kernel_width, channels / groups, filters)`,
            or `PackedWeights`, with bias and multiplier; or `SparseWeights`, if the kernel is a
            single pixel that each pixel of the image is multiplied with.
        bias: int32 tensor of shape `(filters,)` at scale `input_scale * kernel_scale`.
        multiplier: float32 tensor of shape `(filters,)`, positive and finite.
        strides: Integer or pair.
        padding: `"same"`, `"valid"` or `((top, bottom), (left, right))`, in pixels; pads with the
            input zero point, which stands for 0.0.
        dilation_rate: Integer or pair.
        groups: In how many groups the channels are convolved by themselves.
        input_zero_point: Zero point of `x`, an integer from -128 to 127; 0 for int16.
        output_zero_point: Zero point of the result, an integer from -128 to 127; 0 for int16.
        output_min: Smallest value of the result. Defaults to that of its dtype.
        output_max: Largest value of the result. Defaults to that of its dtype.

    Returns:
        Tensor of the dtype of `x` and of shape `(batch, new_height, new_width, filters)`.

    Raises:
        ValueError: If a Python argument is outside its range, or the kernel does not fit.
        tf.errors.InvalidArgumentError: From the native op, if dtypes or shapes do not agree or a
            multiplier is not positive and finite.
    """
    arguments = _standardize(x, input_zero_point, output_zero_point, output_min, output_max)
    arguments |= standardize_window(strides, padding, dilation_rate)
    library = native.library_for(x)
    if library is None:
        weights = _unpacked(kernel, bias, multiplier)
        return reference.quantized_conv2d(x, *weights, groups=groups, **arguments)
    if isinstance(kernel, SparseWeights):
        _check_pixelwise(kernel.shape, groups, arguments)
        window = ("strides", "padding", "dilation_rate")
        rest = {name: value for name, value in arguments.items() if name not in window}
        return quantized_matmul(x, kernel, **rest)
    packed = _packed(
        kernel, bias, multiplier, groups=groups, dilation_rate=arguments["dilation_rate"]
    )
    return library.kerasopt_quantized_conv2d(
        x,
        packed.values,
        kernel_shape=packed.shape,
        weight_format=packed.format,
        groups=groups,
        **native_window(arguments),
    )


def quantized_depthwise_conv2d(
    x: Any,
    kernel: Any,
    bias: Any = None,
    multiplier: Any = None,
    *,
    strides: int | tuple[int, int] = 1,
    padding: str | tuple = "valid",
    dilation_rate: int | tuple[int, int] = 1,
    input_zero_point: int,
    output_zero_point: int,
    output_min: int | None = None,
    output_max: int | None = None,
) -> Any:
    """Convolve each channel of an int8 or int16 image with its own int8 kernels.

    ```python
    x, kernel = np.ones((1, 8, 8, 4), "int8"), np.ones((3, 3, 4, 1), "int8")
    bias, multiplier = np.zeros(4, "int32"), np.full(4, 0.01, "float32")
    y = kerasopt.ops.quantized_depthwise_conv2d(
        x, kernel, bias, multiplier, strides=2, input_zero_point=-3, output_zero_point=5
    )
    ```

    Args:
        x: int8 or int16 tensor of shape `(batch, height, width, channels)`.
        kernel: int8 tensor of shape `(kernel_height, kernel_width, channels, depth_multiplier)`,
            or `PackedWeights`, with bias and multiplier.
        bias: int32 tensor of shape `(channels * depth_multiplier,)`.
        multiplier: float32 tensor of shape `(channels * depth_multiplier,)`, positive, finite.
        strides: Integer or pair.
        padding: `"same"`, `"valid"` or `((top, bottom), (left, right))`, in pixels; pads with the
            input zero point, which stands for 0.0.
        dilation_rate: Integer or pair.
        input_zero_point: Zero point of `x`, an integer from -128 to 127; 0 for int16.
        output_zero_point: Zero point of the result, an integer from -128 to 127; 0 for int16.
        output_min: Smallest value of the result. Defaults to that of its dtype.
        output_max: Largest value of the result. Defaults to that of its dtype.

    Returns:
        Tensor of the dtype of `x` and of shape
        `(batch, new_height, new_width, channels * depth_multiplier)`; channel `c` of the input
        gives the channels from `c * depth_multiplier` on.

    Raises:
        ValueError: If a Python argument is outside its range, or the kernel does not fit.
        tf.errors.InvalidArgumentError: From the native op, if dtypes or shapes do not agree or a
            multiplier is not positive and finite.
    """
    arguments = _standardize(x, input_zero_point, output_zero_point, output_min, output_max)
    arguments |= standardize_window(strides, padding, dilation_rate)
    library = native.library_for(x)
    if library is None:
        weights = _unpacked(kernel, bias, multiplier)
        return reference.quantized_depthwise_conv2d(x, *weights, **arguments)
    packed = _packed(kernel, bias, multiplier, is_depthwise=True)
    return library.kerasopt_quantized_depthwise_conv2d(
        x, packed.values, kernel_shape=packed.shape, **native_window(arguments)
    )


def quantized_scale(
    x: Any, kernel: Any, bias: Any = None, multiplier: Any = None, **quantization: Any
) -> Any:
    """Multiply each channel of an int8 tensor by a number and add another one.

    ```python
    x, kernel = np.ones((2, 8, 4), "int8"), np.ones((4,), "int8")
    bias, multiplier = np.zeros(4, "int32"), np.full(4, 0.5, "float32")
    y = kerasopt.ops.quantized_scale(
        x, kernel, bias, multiplier, input_zero_point=-3, output_zero_point=5
    )
    ```

    Args:
        x: int8 tensor of shape `(..., channels)`.
        kernel: int8 tensor of shape `(channels,)`, or `PackedWeights` of a depthwise kernel with
            one pixel, with bias and multiplier.
        bias: int32 tensor of shape `(channels,)`.
        multiplier: float32 tensor of shape `(channels,)`, positive and finite.
        **quantization: Zero points and range, as `quantized_depthwise_conv2d` takes them, of
            which this is one with a single pixel.

    Returns:
        int8 tensor of the shape of `x`.
    """
    if not isinstance(kernel, PackedWeights):
        kernel = ops.reshape(kernel, (1, 1, -1, 1))
    pixels = ops.reshape(x, (1, 1, -1, x.shape[-1]))
    y = quantized_depthwise_conv2d(pixels, kernel, bias, multiplier, **quantization)
    return ops.reshape(y, ops.shape(x))


def quantized_batch_matmul(
    x0: Any,
    x1: Any,
    *,
    scale0: float,
    scale1: float,
    zero_point0: int,
    zero_point1: int,
    output_scale: float,
    output_zero_point: int,
) -> Any:
    """Multiply the matrices of two int8 tensors.

    Computes `clamp(round_half_even(float32(acc) * M) + zp)` with the sums of products
    `acc = sum((x0 - zero_point0) * (x1 - zero_point1))` in int32 and
    `M = float32(float32(scale0 * scale1) / output_scale)`.

    ```python
    queries, keys = np.ones((2, 5, 8), "int8"), np.ones((2, 8, 7), "int8")
    scores = kerasopt.ops.quantized_batch_matmul(
        queries, keys, scale0=0.1, scale1=0.2, zero_point0=3, zero_point1=-7,
        output_scale=0.25, output_zero_point=0,
    )
    ```

    Args:
        x0: int8 tensor of shape `(..., rows, depth)`.
        x1: int8 tensor of shape `(..., depth, columns)`, whose other axes broadcast with those of
            `x0`.
        scale0: Scale of `x0`, a Python number.
        scale1: Scale of `x1`, a Python number.
        zero_point0: Zero point of `x0`, an integer from -128 to 127.
        zero_point1: Zero point of `x1`, an integer from -128 to 127.
        output_scale: Scale of the result.
        output_zero_point: Zero point of the result.

    Returns:
        int8 tensor of shape `(..., rows, columns)`.

    Raises:
        ValueError: If a scale is not positive and finite, or a zero point is outside int8.
        tf.errors.InvalidArgumentError: From the native op, if dtypes or shapes do not agree.
    """
    check_int8(
        zero_point0=zero_point0, zero_point1=zero_point1, output_zero_point=output_zero_point
    )
    library = native.library_for(x0, x1)
    op = (
        reference.quantized_batch_matmul
        if library is None
        else library.kerasopt_quantized_batch_mat_mul
    )
    return op(
        x0,
        x1,
        multiplier=product_multiplier(scale0, scale1, output_scale),
        zero_point0=int(zero_point0),
        zero_point1=int(zero_point1),
        output_zero_point=int(output_zero_point),
    )


def _packed(kernel: Any, bias: Any, multiplier: Any, **packing: Any) -> PackedWeights:
    if isinstance(kernel, PackedWeights):
        return kernel
    return PackedWeights.pack(kernel, bias, multiplier, **packing)


def _unpacked(kernel: Any, bias: Any, multiplier: Any) -> tuple[Any, Any, Any]:
    is_packed = isinstance(kernel, PackedWeights | SparseWeights)
    return kernel.unpack() if is_packed else (kernel, bias, multiplier)


def _check_pixelwise(shape: tuple[int, ...], groups: int, window: dict[str, Any]) -> None:
    padding = window["padding"]
    has_pads = not isinstance(padding, str) and any(map(any, padding))
    if shape[:-2] != (1, 1) or groups != 1 or window["strides"] != (1, 1) or has_pads:
        raise ValueError(
            "A sparse convolution has a kernel of one pixel, no strides, groups or padding. "
            f"Received: kernel.shape={shape}, groups={groups}, strides={window['strides']}, "
            f"padding={padding!r}"
        )


def _standardize(
    x: Any,
    input_zero_point: int,
    output_zero_point: int,
    output_min: int | None,
    output_max: int | None,
) -> dict[str, Any]:
    dtype = integer_dtype(x)
    check_zero_points(dtype, input_zero_point=input_zero_point, output_zero_point=output_zero_point)
    output_min, output_max = standardize_output_range(output_min, output_max, dtype)
    return {
        "input_zero_point": int(input_zero_point),
        "output_zero_point": int(output_zero_point),
        "output_min": output_min,
        "output_max": output_max,
    }
