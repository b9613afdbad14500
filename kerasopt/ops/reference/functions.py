"""Functions of int8 tensors: elementwise by a table, and softmax."""

from typing import Any

from keras import ops

from kerasopt.ops.validation import check_tensor

# Exponentials are added in two halves that fit into int32.
_HALF_BITS = 12


def look_up(x: Any, table: Any) -> Any:
    """Reference of `kerasopt.ops.look_up`."""
    check_tensor("x", x, "int8", len(x.shape))
    check_tensor("table", table, "int8", 1)
    return ops.take(table, ops.cast(x, "int32") + 128)


def quantized_softmax(x: Any, table: Any) -> Any:
    """Reference of `kerasopt.ops.quantized_softmax`."""
    check_tensor("x", x, "int8", max(len(x.shape), 1))
    x = ops.cast(x, "int32")
    powers = ops.take(table, ops.max(x, axis=-1, keepdims=True, initial=-128) - x)
    high = ops.sum(ops.right_shift(powers, _HALF_BITS), axis=-1, keepdims=True)
    low = ops.sum(ops.bitwise_and(powers, 2**_HALF_BITS - 1), axis=-1, keepdims=True)
    # The product is exact, so fusing it with the sum changes nothing.
    total = ops.cast(high, "float32") * float(2**_HALF_BITS) + ops.cast(low, "float32")
    q = ops.round(ops.cast(powers, "float32") * 256.0 / total)
    return ops.cast(ops.minimum(ops.cast(q, "int32") - 128, 127), "int8")
