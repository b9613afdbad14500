"""How a tensor is stored: its columns, and what is read back from them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import numpy as np

Columns = dict[str, np.ndarray]


@dataclass(frozen=True)
class Dense:
    """All values, in a dtype.

    Args:
        shape: Shape of a row.
        dtype: String.
    """

    kind: ClassVar = "dense"
    shape: tuple[int, ...]
    dtype: str

    @property
    def columns(self) -> dict[str, tuple[tuple[int, ...], str]]:
        """Shape of a row and dtype of each column, by its name."""
        return {"values": (self.shape, self.dtype)}

    def split(self, values: np.ndarray) -> Columns:
        """Returns the columns of rows of values, before they are cast."""
        return {"values": values}

    def joined(self, columns: Columns) -> np.ndarray:
        """Returns rows of values."""
        return columns["values"]


@dataclass(frozen=True)
class TopK:
    """The most likely classes, and the rest of the mass, which is spread evenly over all others.

    The rest of logits is the logarithm of the sum of their exponentials, so that the probabilities
    of the kept classes are exact at temperature 1.

    Args:
        shape: Shape of a row; the last axis are classes.
        dtype: String, of the kept values.
        k: Number of classes that are kept.
        is_logits: Whether values are logits, or probabilities.
    """

    kind: ClassVar = "top_k"
    shape: tuple[int, ...]
    dtype: str
    k: int
    is_logits: bool

    @property
    def columns(self) -> dict[str, tuple[tuple[int, ...], str]]:
        kept, rest = (*self.shape[:-1], self.k), (*self.shape[:-1], 1)
        index = "uint16" if self.shape[-1] <= 2**16 else "uint32"
        # The rest of many probabilities may be too small for float16.
        return {"values": (kept, self.dtype), "classes": (kept, index), "rest": (rest, "float32")}

    def split(self, values: np.ndarray) -> Columns:
        values = values.astype("float32")
        order = np.argpartition(values, -self.k, axis=-1)
        kept = order[..., -self.k :]
        others = np.take_along_axis(values, order[..., : -self.k], axis=-1)
        if self.is_logits:
            largest = others.max(axis=-1, keepdims=True)
            rest = largest + np.log(np.exp(others - largest).sum(axis=-1, keepdims=True))
        else:
            rest = others.sum(axis=-1, keepdims=True)
        return {"values": np.take_along_axis(values, kept, -1), "classes": kept, "rest": rest}

    def joined(self, columns: Columns) -> np.ndarray:
        others = self.shape[-1] - self.k
        rest = columns["rest"]
        each = rest - np.log(np.float32(others)) if self.is_logits else rest / np.float32(others)
        dense = np.repeat(each, self.shape[-1], axis=-1)
        classes = columns["classes"].astype("int64")
        np.put_along_axis(dense, classes, columns["values"].astype("float32"), axis=-1)
        return dense


Encoding = Dense | TopK
_KINDS: dict[str, Any] = {cls.kind: cls for cls in (Dense, TopK)}


def to_config(encoding: Encoding) -> dict[str, Any]:
    """Returns what a manifest says of an encoding."""
    return {"kind": encoding.kind, **asdict(encoding)}


def from_config(config: dict[str, Any]) -> Encoding:
    """Returns the encoding that a manifest describes."""
    arguments = {name: value for name, value in config.items() if name != "kind"}
    return _KINDS[config["kind"]](**{**arguments, "shape": tuple(config["shape"])})
