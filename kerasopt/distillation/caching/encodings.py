"""How tensors are stored: the columns of a leaf, and what is read back from them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import numpy as np

# The largest float16.
LARGEST = float(np.finfo("float16").max)
# Positive numbers below become 0 in float16.
SMALLEST = float(np.finfo("float16").smallest_subnormal) / 2


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
        return {"values": (tuple(self.shape), self.dtype)}

    def encode(self, values: np.ndarray) -> dict[str, np.ndarray]:
        with np.errstate(over="ignore"):
            return {"values": values.astype(self.dtype)}

    def decode(self, columns: dict[str, np.ndarray]) -> np.ndarray:
        return columns["values"]


@dataclass(frozen=True)
class TopK:
    """The most likely classes, with the rest of the mass, which is spread over all others.

    Logits are kept as they are; their rest is the logarithm of the sum of the exponentials of all
    others. So the probabilities of the `k` classes are kept, at temperature 1.

    Args:
        shape: Shape of a row; the last axis are classes.
        dtype: String, of values.
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
        index = "uint16" if self.shape[-1] <= 2**16 else "uint32"
        kept = (*self.shape[:-1], self.k)
        rest = (*self.shape[:-1], 1)
        return {"values": (kept, self.dtype), "classes": (kept, index), "rest": (rest, self.dtype)}

    def encode(self, values: np.ndarray) -> dict[str, np.ndarray]:
        values = values.astype("float32")
        order = np.argpartition(values, -self.k, axis=-1)
        kept, others = order[..., -self.k :], order[..., : -self.k]
        others = np.take_along_axis(values, others, axis=-1)
        if self.is_logits:
            largest = others.max(axis=-1, keepdims=True)
            rest = largest + np.log(np.exp(others - largest).sum(axis=-1, keepdims=True))
        else:
            rest = others.sum(axis=-1, keepdims=True)
        arrays = {
            "values": np.take_along_axis(values, kept, axis=-1),
            "classes": kept,
            "rest": rest,
        }
        with np.errstate(over="ignore"):
            return {name: arrays[name].astype(dtype) for name, (_, dtype) in self.columns.items()}

    def decode(self, columns: dict[str, np.ndarray]) -> np.ndarray:
        rest, others = columns["rest"].astype("float32"), self.shape[-1] - self.k
        each = rest - np.log(np.float32(others)) if self.is_logits else rest / others
        dense = np.repeat(each.astype(self.dtype), self.shape[-1], axis=-1)
        classes = columns["classes"].astype("int64")
        np.put_along_axis(dense, classes, columns["values"], axis=-1)
        return dense


Encoding = Dense | TopK
_KINDS: dict[str, Any] = {cls.kind: cls for cls in (Dense, TopK)}


def to_config(encoding: Encoding) -> dict[str, Any]:
    """Returns what a manifest says of an encoding."""
    return {"kind": encoding.kind, **asdict(encoding), "shape": list(encoding.shape)}


def from_config(config: dict[str, Any]) -> Encoding:
    """Returns the encoding that a manifest describes."""
    arguments = {name: value for name, value in config.items() if name != "kind"}
    return _KINDS[config["kind"]](**{**arguments, "shape": tuple(config["shape"])})
