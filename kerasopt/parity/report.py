"""What a comparison found."""

from __future__ import annotations

import os
from dataclasses import dataclass

import numpy as np

from kerasopt.parity.trace import Tensor
from kerasopt.report import Report
from kerasopt.table import format_table

_HEADER = ["Tensor", "Values", "Equal", "Largest", "Steps", "SQNR (dB)", "Cosine"]
# Float tensors that differ by less, as a share of the largest value, part by rounding alone.
_ROUNDING = 1e-5


@dataclass(frozen=True)
class TensorParity:
    """How a tensor of one model differs from that of another.

    Attributes:
        name: String, the tensor's name in the first model.
        size: Integer, the number of values.
        equal: Float, the share of values that are equal to the last bit.
        largest: Float, the largest difference of the real numbers.
        steps: Integer, the largest difference in steps of the quantizer, where one of the tensors
            is of integers; else `None`.
        sqnr: Float, the ratio of the second's power to that of the difference, in decibel.
        cosine: Float, the cosine of the angle between both, as one vector each.
        magnitude: Float, the largest absolute value of both.
    """

    name: str
    size: int
    equal: float
    largest: float
    steps: int | None
    sqnr: float
    cosine: float
    magnitude: float

    @classmethod
    def of(cls, name: str, first: Tensor, second: Tensor) -> TensorParity:
        """Compares two tensors of one size: the values count, whatever the axes."""
        first, second = first.as_in(second), second.as_in(first)
        affine = first.affine or second.affine
        steps = None
        shape = first.values.shape
        if affine is None:
            other = second.real.reshape(shape)
            same = (first.real == other) | (np.isnan(first.real) & np.isnan(other))
        else:
            pair = [each.integers(affine).astype("int32").ravel() for each in (first, second)]
            distance = np.abs(np.subtract(*pair))
            steps, same = int(distance.max(initial=0)), distance == 0
        a, b = first.real.astype("float64").ravel(), second.real.astype("float64").ravel()
        noise, power = np.sum((a - b) ** 2), np.sum(b**2)
        norms = np.sqrt(np.sum(a**2) * power)
        with np.errstate(divide="ignore", invalid="ignore"):
            sqnr = float(10 * np.log10(power / noise)) if noise > 0 else float("inf")
        return cls(
            name=name,
            size=a.size,
            equal=float(same.mean()) if a.size else 1.0,
            largest=float(np.abs(a - b).max(initial=0.0)),
            steps=steps,
            sqnr=sqnr,
            cosine=float(a @ b / norms) if norms > 0 else float(noise == 0),
            magnitude=float(max(np.abs(a).max(initial=0.0), np.abs(b).max(initial=0.0))),
        )

    @property
    def parts(self) -> bool:
        """Whether the tensors differ by more than the rounding of float32 or of one step."""
        if self.steps is not None:
            return self.steps > 1
        return not self.largest <= _ROUNDING * self.magnitude


@dataclass(frozen=True, repr=False)
class ParityReport(Report):
    """Two models, tensor by tensor. `print` shows a table.

    Attributes:
        first: String, the name of the first model.
        second: String, that of the second.
        tensors: Tuple of `TensorParity`, in the order in which the first model computes them.
    """

    first: str
    second: str
    tensors: tuple[TensorParity, ...]

    @property
    def equal(self) -> float:
        """The share of values, of all tensors, that are equal to the last bit."""
        total = sum(row.size for row in self.tensors)
        return sum(row.equal * row.size for row in self.tensors) / max(total, 1)

    @property
    def first_parting(self) -> TensorParity | None:
        """The first tensor that differs by more than rounding; `None` if there is none."""
        return next((row for row in self.tensors if row.parts), None)

    def __getitem__(self, name: str) -> TensorParity:
        return next(row for row in self.tensors if row.name == name)

    def plot(self, path: str | os.PathLike) -> None:
        """Draws equal values and signal-to-noise ratio of each tensor into an image file."""
        from kerasopt.parity.figure import draw

        draw(self, path)

    def brief(self) -> str:
        parting = self.first_parting
        end = f"They part at '{parting.name}'." if parting else "They part nowhere."
        names = f"'{self.first}' and '{self.second}'"
        return f"{names}: {self.equal:.3%} of values are equal. {end}"

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
