"""Integer matrix multiplication, by a kernel or of pairs of matrices."""

from typing import Any

from kerasopt.ops import native, reference
from kerasopt.ops.requantization import packed, standardize, unpacked
from kerasopt.ops.sparse_weights import SparseWeights
from kerasopt.ops.validation import check_tensor, product_multiplier, standardize_zero_points


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
    """Multiply an int8 or int16 tensor by an int8 kernel.

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
            `PackedWeights`, or `SparseWeights` for int8, with bias and multiplier, which avoids
            packing them in each call.
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
    arguments = standardize(x, input_zero_point, output_zero_point, output_min, output_max)
    library = native.library_for(x)
    if library is None:
        return reference.quantized_matmul(x, *unpacked(kernel, bias, multiplier), **arguments)
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
    weights = packed(kernel, bias, multiplier)
    return library.kerasopt_quantized_mat_mul(
        x,
        weights.values,
        kernel_shape=weights.shape,
        weight_format=weights.format,
        **arguments,
    )


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
    zero_points = standardize_zero_points(
        zero_point0=zero_point0, zero_point1=zero_point1, output_zero_point=output_zero_point
    )
    multiplier = product_multiplier(scale0, scale1, output_scale)
    library = native.library_for(x0, x1)
    if library is None:
        arguments: dict[str, Any] = {"multiplier": multiplier, **zero_points}
        return reference.quantized_batch_matmul(x0, x1, **arguments)
    (x0, order0), (x1, order1) = _as_stored(x0), _as_stored(x1)
    return library.kerasopt_quantized_batch_mat_mul(
        x0, x1, multiplier=multiplier, order0=order0, order1=order1, **zero_points
    )


def _as_stored(x: Any) -> tuple[Any, list[int]]:
    """Returns what a transposition in a graph reads, and the order in which its axes are read.

    The op reads the heads of attention where they lie: to move them first takes 2 to 4 percent of
    the time of a small transformer.
    """
    # Eager tensors have no `op`.
    operation: Any = getattr(x, "op", None)
    if getattr(operation, "type", None) != "Transpose":
        return x, []
    import tensorflow as tf

    order = tf.get_static_value(operation.inputs[1])
    return (x, []) if order is None else (operation.inputs[0], order.tolist())
