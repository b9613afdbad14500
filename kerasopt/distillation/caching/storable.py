"""Which numbers of a teacher can be stored."""

from __future__ import annotations

import numpy as np

from kerasopt.distillation.caching.encodings import Columns
from kerasopt.distillation.caching.layout import Column

_LARGEST = float(np.finfo("float16").max)
_ROUNDED_TO_INFINITY = _LARGEST + 16  # half of the distance to what would be the next number


def cast(
    columns: dict[str, Column], values: Columns, probabilities: set[str], first: int
) -> Columns:
    """Returns rows of all columns in the dtypes in which they are stored.

    Args:
        columns: All columns, by name.
        values: Their rows.
        probabilities: Names of the columns that may hold probabilities, of which the logarithm is
            taken.
        first: The index of the first sample, for messages.

    Raises:
        ValueError: If shapes differ, or a number is not finite or too large or small for float16.
    """
    for name, column in columns.items():
        if values[name].shape[1:] != column.shape:
            raise ValueError(
                "What is stored must have the same shape for all samples: pad inputs to one "
                f"length. Received: {name} of shape {values[name].shape[1:]}, after {column.shape}"
            )
    with np.errstate(over="ignore"):
        stored = {name: values[name].astype(columns[name].dtype, copy=False) for name in columns}
    for name, array in stored.items():
        if array.dtype.kind != "f":
            continue
        if not _fits(values[name], array):
            _refuse(values[name], first)
        if array.dtype == "float16" and name in probabilities:
            _require_no_zeros(values[name], array, first)
    return stored


def _fits(values: np.ndarray, stored: np.ndarray) -> bool:
    """Whether all numbers are finite as they are stored."""
    if values.dtype != "float32" or not values.size:
        return bool(np.isfinite(stored).all())
    # Of float32 this takes a tenth of the time. NaN is the result of both, and less than nothing.
    bound = _ROUNDED_TO_INFINITY if stored.dtype == "float16" else np.inf
    return bool(-bound < values.min() and values.max() < bound)


def _refuse(values: np.ndarray, first: int) -> None:
    good = np.isfinite(values)
    if good.all():
        raise ValueError(
            f"The teacher gives {np.abs(values).max():.6g}, and float16 holds numbers up to "
            f"{_LARGEST:.0f}: pass dtype='float32'. Received: dtype='float16'"
        )
    raise ValueError(
        f"The teacher gives NaN or infinity for sample {_row(~good, first)}: check the sample, and "
        "the weights and the precision of the teacher. Received: "
        f"{np.count_nonzero(~good)} such outputs in a batch"
    )


def _require_no_zeros(values: np.ndarray, stored: np.ndarray, first: int) -> None:
    lost = (stored == 0) & (values != 0)
    if lost.any() and (values >= 0).all():
        raise ValueError(
            f"The teacher gives the probability {values[lost].min():.3g} for sample "
            f"{_row(lost, first)}, which is 0 in float16, but losses take its logarithm: pass "
            "dtype='float32', or let the teacher return logits. Received: dtype='float16'"
        )


def _row(marked: np.ndarray, first: int) -> int:
    return first + int(np.argmax(marked.reshape(len(marked), -1).any(axis=1)))
