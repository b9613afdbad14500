"""Matrix multiplication and convolution of float32 values with 16-bit float weights."""

from typing import Any

from keras import ops

from kerasopt.ops import native
from kerasopt.ops.packed_weights import PackedWeights
from kerasopt.ops.validation import native_window, standardize_window


def half_matmul(x: Any, weights: PackedWeights) -> Any:
    """Multiply float32 rows with a float16 or bfloat16 matrix, scale the sums, and add a bias.

    Weights are converted to float32, and products are computed in float32. The native op is
    bit-exact for all instruction sets and numbers of threads: a sum starts at 0 and adds products
    one by one, followed by `acc * scale + bias`, with one rounding each. The `keras.ops` form adds
    in another order.

    ```python
    kernel = np.ones((64, 10), "float16")
    scale, bias = np.ones(10, "float32"), np.zeros(10, "float32")
    weights = kerasopt.ops.PackedWeights.pack(
        kernel, bias, scale, bias_dtype="float32", format="float16"
    )
    y = kerasopt.ops.half_matmul(np.ones((2, 64), "float32"), weights)
    ```

    Args:
        x: float32 tensor of shape `(..., inputs)`.
        weights: `PackedWeights` of the format `"float16"` or `"bfloat16"` and a kernel of shape
            `(inputs, units)`.

    Returns:
        float32 tensor of shape `(..., units)`.

    Raises:
        tf.errors.InvalidArgumentError: From the native op, if shapes do not agree, or a scale is
            not positive and finite.
    """
    library = native.library_for(x)
    if library is None:
        kernel, bias, scale = weights.unpack()
        return ops.matmul(x, ops.cast(kernel, "float32")) * scale + bias
    return library.kerasopt_half_mat_mul(
        x, weights.values, kernel_shape=weights.shape, weight_format=weights.format
    )


def half_conv2d(
    x: Any,
    weights: PackedWeights,
    *,
    strides: int | tuple[int, int] = 1,
    padding: str | tuple = "valid",
    dilation_rate: int | tuple[int, int] = 1,
) -> Any:
    """Convolve a float32 image with a float16 or bfloat16 kernel, scale the sums, and add a bias.

    The arithmetic is that of `kerasopt.ops.half_matmul`; padding is with zeros.

    ```python
    kernel = np.ones((3, 3, 16, 8), "float16")
    scale, bias = np.ones(8, "float32"), np.zeros(8, "float32")
    weights = kerasopt.ops.PackedWeights.pack(
        kernel, bias, scale, bias_dtype="float32", format="float16"
    )
    y = kerasopt.ops.half_conv2d(np.ones((1, 8, 8, 16), "float32"), weights, padding="same")
    ```

    Args:
        x: float32 tensor of shape `(batch, height, width, channels)`.
        weights: `PackedWeights` of the format `"float16"` or `"bfloat16"` and a kernel of shape
            `(kernel_height, kernel_width, channels / groups, filters)`.
        strides: Integer or pair.
        padding: `"same"`, `"valid"` or `((top, bottom), (left, right))`, in pixels.
        dilation_rate: Integer or pair, the one of `weights`.

    Returns:
        float32 tensor of shape `(batch, new_height, new_width, filters)`.

    Raises:
        ValueError: If an argument is outside its range, or the kernel does not fit.
        tf.errors.InvalidArgumentError: As in `kerasopt.ops.half_matmul`.
    """
    window = standardize_window(strides, padding, dilation_rate)
    library = native.library_for(x)
    if library is None:
        return _convolved(x, *weights.unpack(), **window)
    return library.kerasopt_half_conv2d(
        x,
        weights.values,
        kernel_shape=weights.shape,
        weight_format=weights.format,
        groups=weights.groups,
        **native_window(window),
    )


def _convolved(
    x: Any, kernel: Any, bias: Any, scale: Any, *, padding: Any, **window: tuple[int, int]
) -> Any:
    if not isinstance(padding, str):
        x, padding = ops.pad(x, [(0, 0), *padding, (0, 0)]), "valid"
    kernel = ops.cast(kernel, "float32")
    sums = ops.conv(x, kernel, padding=padding, data_format="channels_last", **window)
    return sums * scale + bias
