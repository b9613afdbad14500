"""Matrix multiplication of float32 values with packed integers."""

from typing import Any

from kerasopt.ops.dispatch import call


def weight_only_matmul(
    x: Any,
    packed: Any,
    scale: Any,
    zero_point: Any,
    *,
    kernel_shape: tuple[int, int, int],
    bits: int,
    group: int,
    transposed: bool = False,
) -> Any:
    """Multiply float32 rows by matrices of integers that are packed in bytes.

    A weight is `(integer - zero_point) * scale`, which no memory holds: integers are read from the
    bytes as they are multiplied. For a few rows, as a language model generates tokens, that takes
    as little time as there are bytes. The native op is bit-exact for all instruction sets and
    numbers of threads; the `keras.ops` form adds in another order.

    ```python
    x = np.ones((1, 64), "float32")
    packed = np.full(64 * 10 // 2, 0x98, "uint8")  # of 4 bits: 0 and 1
    scale, zero_point = np.full(10, 0.1, "float32"), np.zeros(10, "int8")
    y = kerasopt.ops.weight_only_matmul(
        x, packed, scale, zero_point, kernel_shape=(1, 64, 10), bits=4, group=64
    )
    ```

    Args:
        x: float32 tensor of shape `(..., inputs)`.
        packed: uint8 vector, the integers less the smallest one, the first in the lowest bits.
            They are in the order of `kernel_shape`, or, if `transposed`, with its last two axes
            swapped. A row is whole bytes.
        scale: float32 vector of `matrices * rows * units` scales in the same order: as `group`
            inputs share one, there is a row of scales for each group, or the rows take turns.
        zero_point: int8 vector of that size.
        kernel_shape: Tuple of integers, `(matrices, inputs, units)`.
        bits: 2, 4 or 8.
        group: Integer, the number of inputs that share a scale. It divides `inputs`.
        transposed: Boolean, whether inputs are the last axis.

    Returns:
        float32 tensor of shape `(..., matrices * units)`.

    Raises:
        tf.errors.InvalidArgumentError: From the native op, if an attribute or a shape is none of
            the above.
    """
    return call(
        "weight_only_matmul",
        x,
        packed,
        scale,
        zero_point,
        kernel_shape=kernel_shape,
        bits=bits,
        group=group,
        transposed=transposed,
    )
