"""Matrix multiplication with dynamic quantization of float rows."""

from typing import Any

from kerasopt.ops import native, reference
from kerasopt.ops.packed_weights import PackedWeights


def dynamic_matmul(x: Any, kernel: Any, kernel_scale: Any = None, bias: Any = None) -> Any:
    """Multiply float32 rows, dynamically quantized to int8, by an int8 matrix.

    Each row has the scale `s = max(abs(x)) / 127`, but at least
    `max(abs(bias) / kernel_scale) * 2^-30` (and 2^-100), with which a bias stays in int32: only
    where the row adds nothing to it that float32 could hold. Computes `float32(acc + b) * M` with
    the sums of products `acc = sum(round_half_even(x / s) * kernel)` and
    `b = round_half_even(bias / M)` in int32, and `M = float32(s * kernel_scale)`. NaN counts as 0,
    infinity as the largest float32. XLA and `keras.ops` cannot raise: a scale that is not positive
    and finite gives NaN there.

    ```python
    x, kernel = np.ones((2, 64), "float32"), np.ones((64, 10), "int8")
    kernel_scale, bias = np.full(10, 0.01, "float32"), np.zeros(10, "float32")
    y = kerasopt.ops.dynamic_matmul(x, kernel, kernel_scale, bias)
    ```

    Args:
        x: float32 tensor of shape `(..., inputs)`.
        kernel: int8 tensor of shape `(inputs, units)`, symmetric (zero point 0); or `PackedWeights`
            with `bias_dtype="float32"`, with bias and scales, which avoids packing them in each
            call.
        kernel_scale: float32 tensor of shape `(units,)`, positive and finite.
        bias: float32 tensor of shape `(units,)`.

    Returns:
        float32 tensor of shape `(..., units)`.

    Raises:
        ValueError: If dtypes or shapes do not agree. tf.errors.InvalidArgumentError: From the
        native op, if dtypes or shapes do not agree, or a scale is not positive and finite.
    """
    library = native.library_for(x)
    if library is None:
        if isinstance(kernel, PackedWeights):
            kernel, bias, kernel_scale = kernel.unpack()
        return reference.dynamic_matmul(x, kernel, kernel_scale, bias)
    if not isinstance(kernel, PackedWeights):
        kernel = PackedWeights.pack(kernel, bias, kernel_scale, bias_dtype="float32")
    return library.kerasopt_dynamic_mat_mul(
        x, kernel.values, kernel_shape=kernel.shape, weight_format=kernel.format
    )
