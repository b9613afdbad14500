"""The tensors of one run of a model."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from kerasopt.layers.integer import Affine


@dataclass(frozen=True)
class Tensor:
    """A tensor that a model computed.

    Attributes:
        values: Array, float32 or integers.
        affine: What integers stand for; `None` for others.
    """

    values: np.ndarray
    affine: Affine | None = None

    @cached_property
    def real(self) -> np.ndarray:
        """The real numbers, float32."""
        if self.affine is None:
            return self.values.astype("float32")
        steps = self.values.astype("int32") - self.affine.zero_point
        return steps.astype("float32") * np.float32(self.affine.scale)

    def integers(self, affine: Affine) -> np.ndarray:
        """Returns the integers at which the real numbers are nearest to `affine`'s grid."""
        if self.affine == affine:
            return self.values
        q = np.rint(self.real / np.float32(affine.scale)) + affine.zero_point
        return np.clip(q, affine.minimum, affine.maximum).astype(affine.dtype)


@dataclass(frozen=True)
class Trace:
    """The tensors of one run, in the order in which they were computed.

    Attributes:
        tensors: Dict of name to `Tensor`.
        outputs: List of the names of the model's outputs, in flat order.
    """

    tensors: dict[str, Tensor]
    outputs: list[str]
