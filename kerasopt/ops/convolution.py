"""Integer convolutions of images."""

from typing import Any

from keras import ops

from kerasopt.ops import native, reference
from kerasopt.ops.matmul import quantized_matmul
from kerasopt.ops.packed_weights import PackedWeights
from kerasopt.ops.requantization import packed, standardize, unpacked
from kerasopt.ops.sparse_weights import SparseWeights
from kerasopt.ops.validation import native_window, standardize_window


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
        kernel: int8 tensor of shape `(kernel_height, kernel_width, channels / groups, filters)`, or
            `PackedWeights`, with bias and multiplier; or `SparseWeights`, for a pointwise kernel.
        bias: int32 tensor of shape `(filters,)` at scale `input_scale * kernel_scale`.
        multiplier: float32 tensor of shape `(filters,)`, positive and finite.
        strides: Integer or pair.
        padding: `"same"`, `"valid"` or `((top, bottom), (left, right))`, in pixels; pads with the
            input zero point, which represents 0.0.
        dilation_rate: Integer or pair.
        groups: Number of groups of channels that are convolved separately.
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
    arguments = standardize(x, input_zero_point, output_zero_point, output_min, output_max)
    arguments |= standardize_window(strides, padding, dilation_rate)
    library = native.library_for(x)
    if library is None:
        parts = unpacked(kernel, bias, multiplier)
        return reference.quantized_conv2d(x, *parts, groups=groups, **arguments)
    if isinstance(kernel, SparseWeights):
        _check_pointwise(kernel.shape, groups, arguments)
        window = ("strides", "padding", "dilation_rate")
        rest = {name: value for name, value in arguments.items() if name not in window}
        return quantized_matmul(x, kernel, **rest)
    weights = packed(
        kernel, bias, multiplier, groups=groups, dilation_rate=arguments["dilation_rate"]
    )
    return library.kerasopt_quantized_conv2d(
        x,
        weights.values,
        kernel_shape=weights.shape,
        weight_format=weights.format,
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
            input zero point, which represents 0.0.
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
    arguments = standardize(x, input_zero_point, output_zero_point, output_min, output_max)
    arguments |= standardize_window(strides, padding, dilation_rate)
    library = native.library_for(x)
    if library is None:
        parts = unpacked(kernel, bias, multiplier)
        return reference.quantized_depthwise_conv2d(x, *parts, **arguments)
    weights = packed(kernel, bias, multiplier, is_depthwise=True)
    return library.kerasopt_quantized_depthwise_conv2d(
        x, weights.values, kernel_shape=weights.shape, **native_window(arguments)
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
        kernel: int8 tensor of shape `(channels,)`, or `PackedWeights` of a 1×1 depthwise kernel,
            with bias and multiplier.
        bias: int32 tensor of shape `(channels,)`.
        multiplier: float32 tensor of shape `(channels,)`, positive and finite.
        **quantization: Zero points and range, as in `quantized_depthwise_conv2d`, of which this is
            the 1×1 case.

    Returns:
        int8 tensor of the shape of `x`.
    """
    if not isinstance(kernel, PackedWeights):
        kernel = ops.reshape(kernel, (1, 1, -1, 1))
    pixels = ops.reshape(x, (1, 1, -1, x.shape[-1]))
    y = quantized_depthwise_conv2d(pixels, kernel, bias, multiplier, **quantization)
    return ops.reshape(y, ops.shape(x))


def _check_pointwise(shape: tuple[int, ...], groups: int, window: dict[str, Any]) -> None:
    padding = window["padding"]
    has_pads = not isinstance(padding, str) and any(map(any, padding))
    if shape[:-2] != (1, 1) or groups != 1 or window["strides"] != (1, 1) or has_pads:
        raise ValueError(
            "A sparse convolution must be pointwise (1×1), without strides, groups and padding. "
            f"Received: kernel.shape={shape}, groups={groups}, strides={window['strides']}, "
            f"padding={padding!r}"
        )
