"""Chooses how what a teacher gives is stored."""

from __future__ import annotations

import keras
import numpy as np

from kerasopt.distillation.caching.encodings import Dense, Encoding, TopK
from kerasopt.distillation.outputs import Kind, Output


def as_it_is(index: int, values: np.ndarray) -> Encoding:
    """Returns the encoding of an array that is stored in its own dtype."""
    if values.dtype.hasobject or values.dtype.kind not in "biufc":
        raise ValueError(
            "Inputs that are stored must be numbers: turn strings into indices before. Received: "
            f"an array of {values.dtype}"
        )
    return Dense(values.shape[1:], values.dtype.name)


class Choice:
    """How outputs and features are stored.

    Args:
        dtype: `"float16"` or `"float32"`, of floats.
        top_k: Number of classes of outputs that are kept, or `None`.
        outputs: List of the `Output`s of the teacher.
    """

    def __init__(self, dtype: str, top_k: int | None, outputs: list[Output]):
        self._dtype, self._top_k, self._outputs = dtype, top_k, outputs

    def of_feature(self, index: int, values: np.ndarray) -> Encoding:
        return Dense(values.shape[1:], self._stored(values))

    def of_output(self, index: int, values: np.ndarray) -> Encoding:
        """Raises `ValueError` if an output has no classes, or not more than `top_k`."""
        if self._top_k is None:
            return self.of_feature(index, values)
        output = self._outputs[index]
        if output.kind not in (Kind.LOGITS, Kind.PROBABILITIES):
            raise ValueError(
                f"{output} is not known to be of classes, of which `top_k` keeps the most likely: "
                "compile the teacher with its loss, or leave out `top_k`. Received: "
                f"top_k={self._top_k}, an output of {output.kind.value}"
            )
        classes = values.shape[-1] if values.ndim > 1 else 1
        if self._top_k >= classes:
            raise ValueError(
                f"`top_k` must be less than the number of classes; leave it out. Received: "
                f"top_k={self._top_k}, {classes} classes"
            )
        is_logits = output.kind is Kind.LOGITS
        return TopK(values.shape[1:], self._stored(values), self._top_k, is_logits)

    @property
    def probability_columns(self) -> set[str]:
        """The names of columns that may hold probabilities."""
        known = (Kind.LOGITS, Kind.VALUES)
        return {
            f"outputs_{i}_values"
            for i, output in enumerate(self._outputs)
            if output.kind not in known
        }

    def _stored(self, values: np.ndarray) -> str:
        name = values.dtype.name
        return self._dtype if keras.backend.is_float_dtype(name) else name
