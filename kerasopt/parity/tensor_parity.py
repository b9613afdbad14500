"""The difference of a tensor between two models."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kerasopt.parity.trace import Tensor

# Relative to the largest value: smaller differences of float tensors count as rounding.
_ROUNDING = 1e-5


@dataclass(frozen=True)
class TensorParity:
    """The difference of a tensor between two models.

    Attributes:
        name: String, the tensor's name in the first model.
        size: Integer, the number of values.
        equal: Float, the fraction of values that are bit-exact.
        largest: Float, the largest difference of the dequantized values.
        steps: Integer, the largest difference in quantization steps if one of the tensors is
            integer, otherwise `None`.
        sqnr: Float, the ratio of the power of the second tensor to that of the difference, in
            decibel.
        cosine: Float, the cosine similarity of the flattened tensors.
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
        """Compares two tensors of the same size, flattened."""
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
