"""How one tensor of two models differs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kerasopt.parity.trace import Tensor

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
