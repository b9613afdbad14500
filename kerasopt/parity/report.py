"""The result of a comparison."""

from __future__ import annotations

import os
from dataclasses import dataclass

from kerasopt.parity.figure import draw
from kerasopt.parity.tensor_parity import TensorParity
from kerasopt.report import Report
from kerasopt.table import format_table

_HEADER = ["Tensor", "Values", "Equal", "Largest", "Steps", "SQNR (dB)", "Cosine"]


@dataclass(frozen=True, repr=False)
class ParityReport(Report):
    """The comparison of two models, tensor by tensor. `print` shows a table.

    Attributes:
        first: String, the name of the first model.
        second: String, the name of the second model.
        tensors: Tuple of `TensorParity`, in the order in which the first model computes them.
    """

    first: str
    second: str
    tensors: tuple[TensorParity, ...]

    @property
    def equal(self) -> float:
        """The fraction of all values that are bit-exact."""
        total = sum(row.size for row in self.tensors)
        return sum(row.equal * row.size for row in self.tensors) / max(total, 1)

    @property
    def first_parting(self) -> TensorParity | None:
        """The first tensor that differs by more than rounding; `None` if there is none."""
        return next((row for row in self.tensors if row.parts), None)

    def __getitem__(self, name: str) -> TensorParity:
        return next(row for row in self.tensors if row.name == name)

    def plot(self, path: str | os.PathLike) -> None:
        """Plots the differing values and signal-to-noise ratio of each tensor to an image file."""
        draw(self.tensors, f"{self.first} and {self.second}", path)

    def brief(self) -> str:
        parting = self.first_parting
        where = f"'{parting.name}' is the first that differs" if parting else "No tensor differs"
        names = f"'{self.first}' and '{self.second}'"
        return f"{names}: {self.equal:.3%} of values are equal. {where} by more than rounding."

    def __str__(self) -> str:
        rows = [
            [
                row.name,
                f"{row.size:,}",
                f"{row.equal:.3%}",
                f"{row.largest:.3g}",
                "-" if row.steps is None else str(row.steps),
                f"{row.sqnr:.1f}",
                f"{row.cosine:.6f}",
            ]
            for row in self.tensors
        ]
        return f"{self.brief()}\n\n{format_table(_HEADER, rows)}"
