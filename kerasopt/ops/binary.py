"""Binary matrix multiplication and convolution: signs with weights of -1 and 1."""

from typing import Any

from keras import ops

from kerasopt.ops import native, reference
from kerasopt.ops.packed_weights import PackedWeights
from kerasopt.ops.validation import native_window, standardize_window


def binary_matmul(x: Any, weights: PackedWeights) -> Any:
    """Multiply the signs of float32 rows by a matrix of -1 and 1.

    A sign is 1 where `x >= 0`, else -1. With the sums `acc` of the signs times the weights and
    `m = scale / 2^12`, computes `float32(acc * 2^12 + round_half_even(bias / m)) * m`. The native
    op counts differing bits, 32 products per word.

    ```python
    kernel = np.where(np.arange(64 * 10) % 3, 1, -1).reshape(64, 10).astype("int8")
    scale, bias = np.full(10, 0.5, "float32"), np.zeros(10, "float32")
    weights = kerasopt.ops.PackedWeights.pack(
        kernel, bias, scale, bias_dtype="float32", format="binary"
    )
    y = kerasopt.ops.binary_matmul(np.ones((2, 64), "float32"), weights)
    ```

    Args:
        x: float32 tensor of shape `(..., inputs)`.
        weights: `PackedWeights` of the format `"binary"` and a kernel of shape `(inputs, units)`,
            with fewer than 2^18 inputs. Biases are clamped at `2^18 * scale`.

    Returns:
        float32 tensor of shape `(..., units)`.

    Raises:
        tf.errors.InvalidArgumentError: From the native op, if shapes do not agree, or a scale is
            not positive and finite. (XLA and `keras.ops` return NaN for such a scale.)
    """
    inputs, units = weights.shape
    image = ops.reshape(x, (1, -1, 1, inputs))
    y = binary_conv2d(image, weights._replace(shape=(1, 1, inputs, units)))
    return ops.reshape(y, (*ops.shape(x)[:-1], units))


def binary_conv2d(
    x: Any,
    weights: PackedWeights,
    *,
    strides: int | tuple[int, int] = 1,
    padding: str | tuple = "valid",
    dilation_rate: int | tuple[int, int] = 1,
) -> Any:
    """Convolve the signs of a float32 image with a kernel of -1 and 1.

    The arithmetic is that of `kerasopt.ops.binary_matmul`. Padding adds nothing to a sum.

    ```python
    kernel = np.ones((3, 3, 16, 8), "int8")
    scale, bias = np.full(8, 0.5, "float32"), np.zeros(8, "float32")
    weights = kerasopt.ops.PackedWeights.pack(
        kernel, bias, scale, bias_dtype="float32", format="binary"
    )
    y = kerasopt.ops.binary_conv2d(np.ones((1, 8, 8, 16), "float32"), weights, padding="same")
    ```

    Args:
        x: float32 tensor of shape `(batch, height, width, channels)`.
        weights: `PackedWeights` of the format `"binary"` and a kernel of shape
            `(kernel_height, kernel_width, channels, filters)`.
        strides: Integer or pair.
        padding: `"same"`, `"valid"` or `((top, bottom), (left, right))`, in pixels.
        dilation_rate: Integer or pair.

    Returns:
        float32 tensor of shape `(batch, new_height, new_width, filters)`.

    Raises:
        ValueError: If an argument is outside its range, or the kernel does not fit.
        tf.errors.InvalidArgumentError: As in `kerasopt.ops.binary_matmul`.
    """
    window = standardize_window(strides, padding, dilation_rate)
    library = native.library_for(x)
    if library is None:
        kernel, bias, scale = weights.unpack()
        return reference.binary_conv2d(x, kernel, scale, bias, **window)
    return library.kerasopt_binary_conv2d(
        x, weights.values, kernel_shape=weights.shape, **native_window(window)
    )
