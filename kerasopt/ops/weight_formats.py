"""The storage formats of packed kernels.

A block has the weights of 16 columns and a number of rows, depending on the format:

| format | rows | bytes | holds |
| --- | --- | --- | --- |
| `"int8"` | 4 | 64 | each weight, a column after the other |
| `"int4"` | 8 | 64 | weights from -8 to 7, rows 0 to 3 in the low halves of bytes |
| `"2:4"` | 4 | 40 | two weights of each column, and half a byte that tells their rows |
| `"binary"` | 32 | 64 | -1 and 1, a bit for each weight, set for -1 |
| `"float16"`, `"bfloat16"` | 1 | 32 | each weight, in 2 bytes |
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from keras import ops

COLUMNS = 16
_FOUR = np.int8(4)  # a shift by a Python integer would widen the type
# The possible pairs of rows of the weights in a column of "2:4".
_PAIRS = ((0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3))
# The pair for each bit set of nonzero rows.
_PAIR_OF_ROWS = [
    next((i for i, (a, b) in enumerate(_PAIRS) if not rows & ~(1 << a | 1 << b)), 0)
    for rows in range(16)
]


class WeightFormat(NamedTuple):
    """A storage format.

    Attributes:
        rows: Integer, the rows of a block.
        bytes: Integer, its size.
        encode: Function from int8 tensors, or the bits of 16-bit floats as int16, of shape
            `(..., rows, 16)` to int8 of shape `(..., bytes)`, and the module that computes it,
            `numpy` or `keras.ops`.
        decode: Its inverse, in `keras.ops`.
        holds: Function from such an array of shape `(quads, rows, columns)` to whether it can be
            stored.
    """

    rows: int
    bytes: int
    encode: Callable[[Any, Any], Any]
    decode: Callable[[Any], Any]
    holds: Callable[[np.ndarray], bool]

    @property
    def bits(self) -> float:
        """The bits per weight, including its position."""
        return 8 * self.bytes / (self.rows * COLUMNS)


def _encode_int8(x: Any, module: Any) -> Any:
    return _flat(module.swapaxes(x, -1, -2), 2)


def _decode_int8(stored: Any) -> Any:
    return ops.swapaxes(_split(stored, (COLUMNS, 4)), -1, -2)


def _encode_int4(x: Any, module: Any) -> Any:
    return _encode_int8(_joined_halves(x[..., :4, :], x[..., 4:, :], module), module)


def _decode_int4(stored: Any) -> Any:
    return ops.concatenate(_halves(_decode_int8(stored)), -2)


def _encode_two_of_four(x: Any, module: Any) -> Any:
    is_set = [cast(module.not_equal(x[..., i, :], 0), "int32", module) for i in range(4)]
    rows = sum(bit * 2**i for i, bit in enumerate(is_set))
    pair = module.take(np.array(_PAIR_OF_ROWS, "int8"), rows)
    weights = [
        sum(
            module.where(module.equal(_row(pair, which, module), i), x[..., i, :], 0)
            for i in range(4)
        )
        for which in (0, 1)
    ]
    # Column 4i + 2k + l to half k of byte i of part l.
    pair = _split(pair, (4, 2, 2))
    halves = _joined_halves(pair[..., 0, :], pair[..., 1, :], module)
    parts = [_flat(module.stack(weights, -1), 2), _flat(module.swapaxes(halves, -1, -2), 2)]
    return module.concatenate([cast(part, "int8", module) for part in parts], -1)


def _decode_two_of_four(stored: Any) -> Any:
    weights = _split(stored[..., : 2 * COLUMNS], (COLUMNS, 2))
    halves = ops.swapaxes(_split(stored[..., 2 * COLUMNS :], (2, 4)), -1, -2)
    pair = ops.bitwise_and(_flat(ops.stack(_halves(halves), -2), 3), np.int8(7))
    rows = [
        sum(
            ops.where(ops.equal(_row(pair, which, ops), i), weights[..., which], 0)
            for which in (0, 1)
        )
        for i in range(4)
    ]
    return ops.cast(ops.stack(rows, -2), "int8")


def _encode_binary(x: Any, module: Any) -> Any:
    x = module.reshape(x, (*x.shape[:-2], 4, 8, COLUMNS))
    is_set = cast(module.less(x, 0), "int32", module)
    values = np.array([1, 2, 4, 8, 16, 32, 64, -128], "int32")[:, None]  # of the bits of an int8
    return _encode_int8(cast(module.sum(is_set * values, -2), "int8", module), module)


def _decode_binary(stored: Any) -> Any:
    stored = _decode_int8(stored)
    shape = (*stored.shape[:-2], 32, COLUMNS)
    shifts = np.arange(8, dtype="int8")[:, None]
    bits = ops.bitwise_and(ops.right_shift(stored[..., None, :], shifts), np.int8(1))
    return ops.reshape(ops.cast(1 - 2 * bits, "int8"), shape)


def _encode_half(x: Any, module: Any) -> Any:
    return _flat(x, 2).view("int8") if module is np else ops.view(_flat(x, 2), "int8")


def _decode_half(stored: Any) -> Any:
    return ops.expand_dims(ops.view(stored, "int16"), -2)


def _row(pair: Any, which: int, module: Any) -> Any:
    """Returns the first or the second row of pairs."""
    rows = np.array([pair[which] for pair in _PAIRS] + [0, 0], "int8")
    return module.take(rows, cast(pair, "int32", module))


def _joined_halves(low: Any, high: Any, module: Any) -> Any:
    return module.bitwise_or(module.bitwise_and(low, np.int8(15)), module.left_shift(high, _FOUR))


def _halves(x: Any) -> tuple[Any, Any]:
    """Returns the low and the high halves of bytes, with their signs."""
    low = ops.right_shift(ops.left_shift(x, _FOUR), _FOUR)
    return low, ops.right_shift(x, _FOUR)


def _is_int4(x: np.ndarray) -> bool:
    return -8 <= x.min() and x.max() <= 7


def _is_two_of_four(x: np.ndarray) -> bool:
    return np.count_nonzero(x, axis=1).max() <= 2


def _is_binary(x: np.ndarray) -> bool:
    return abs(x).max() <= 1


def cast(x: Any, dtype: str, module: Any) -> Any:
    """Casts a tensor in `numpy` or `keras.ops`."""
    return x.astype(dtype) if module is np else ops.cast(x, dtype)


def _flat(x: Any, axes: int) -> Any:
    """Flattens the last axes into one."""
    shape = (*x.shape[:-axes], -1)
    return x.reshape(shape) if isinstance(x, np.ndarray) else ops.reshape(x, shape)


def _split(x: Any, sizes: tuple[int, ...]) -> Any:
    shape = (*x.shape[:-1], *sizes)
    return x.reshape(shape) if isinstance(x, np.ndarray) else ops.reshape(x, shape)


_HALF = WeightFormat(1, 32, _encode_half, _decode_half, lambda x: True)
FORMATS = {
    "int8": WeightFormat(4, 64, _encode_int8, _decode_int8, lambda x: True),
    "int4": WeightFormat(8, 64, _encode_int4, _decode_int4, _is_int4),
    "2:4": WeightFormat(4, 40, _encode_two_of_four, _decode_two_of_four, _is_two_of_four),
    "binary": WeightFormat(32, 64, _encode_binary, _decode_binary, _is_binary),
    "float16": _HALF,
    "bfloat16": _HALF,
}
# Formats of integer products.
WEIGHT_FORMATS = ("int8", "int4", "2:4")
# Formats of float32 products.
HALF_FORMATS = ("float16", "bfloat16")
