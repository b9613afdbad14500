"""Matrix multiplication of float32 values with packed integers."""

from typing import Any

import numpy as np
from keras import ops


def weight_only_matmul(
    x: Any,
    packed: Any,
    scale: Any,
    zero_point: Any,
    *,
    kernel_shape: tuple[int, int, int],
    bits: int,
    group: int,
    transposed: bool,
) -> Any:
    """Reference of `kerasopt.ops.weight_only_matmul`."""
    matrices, depth, columns = kernel_shape
    integers = ops.expand_dims(ops.cast(packed, "int32"), -1)
    integers = integers // 2 ** (bits * np.arange(8 // bits, dtype="int32")) % 2**bits
    integers = ops.cast(integers, "float32") - 2.0 ** (bits - 1)
    stored = (columns, depth) if transposed else (depth, columns)
    integers = ops.reshape(integers, (matrices, *stored))

    def spread(values: Any) -> Any:
        """Returns what each weight has of the values of scales."""
        rows = values.shape[0] // (matrices * columns)
        axis = 2 if transposed else 1
        shape = (matrices, columns, rows) if transposed else (matrices, rows, columns)
        values = ops.repeat(ops.reshape(ops.cast(values, "float32"), shape), group, axis=axis)
        turns = [1, 1, 1]
        turns[axis] = depth // (group * rows)
        return ops.tile(values, turns)

    weights = (integers - spread(zero_point)) * spread(scale)
    kernel = ops.transpose(weights, (2, 0, 1) if transposed else (1, 0, 2))
    return ops.matmul(x, ops.reshape(kernel, (depth, matrices * columns)))
