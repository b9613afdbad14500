"""The tensors of one run of a model."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from kerasopt.inference import Affine


@dataclass(frozen=True)
class Tensor:
    """A tensor that a model computed.

    Attributes:
        values: Array, float32 or integers.
        affine: Scale and zero point of integers; `None` for others.
        never_negative: Whether it is the output of a ReLU.
        rounds_to: The quantization that all of its readers apply, or `None`.
    """

    values: np.ndarray
    affine: Affine | None = None
    never_negative: bool = False
    rounds_to: Affine | None = None

    def matches(self, other: Tensor) -> bool:
        """Whether a tensor of the same name may correspond to this one in another model.

        It must have the same size, and not be the input of a ReLU if this one
        is its output.
        """
        if self.values.size != other.values.size:
            return False
        pairs = ((self, other), (other, self))
        return not any(first.never_negative and second._is_negative for first, second in pairs)

    def as_in(self, other: Tensor) -> Tensor:
        """Returns it rounded like its readers do, if the other model has already rounded it."""
        affine = self.rounds_to
        if affine is None or other.affine is not None:
            return self
        steps = other.real / np.float32(affine.scale)
        is_rounded = np.abs(steps - np.rint(steps)).max(initial=0.0) < 0.01
        return Tensor(self.integers(affine), affine) if is_rounded else self

    def distance(self, other: Tensor) -> float:
        """Returns the sum of differences to a tensor of the same size."""
        return float(np.abs(self.real.ravel() - other.real.ravel()).sum())

    @property
    def _is_negative(self) -> bool:
        """Whether some values are negative beyond rounding."""
        lowest, magnitude = self.real.min(initial=0.0), np.abs(self.real).max(initial=0.0)
        step = 1e-3 * magnitude if self.affine is None else self.affine.scale
        return bool(lowest < -step)

    @cached_property
    def real(self) -> np.ndarray:
        """The dequantized values, float32."""
        if self.affine is None:
            return self.values.astype("float32")
        steps = self.values.astype("int32") - self.affine.zero_point
        return steps.astype("float32") * np.float32(self.affine.scale)

    def integers(self, affine: Affine) -> np.ndarray:
        """Returns the nearest integers for the scale and zero point of `affine`."""
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
        aliases: Dict of other names of tensors to their names: of ReLUs that are fused into
            convolutions.
        shared: Dict of the name of a tensor to that of its layer, if that is called several times.
            The numbers of its calls may differ between models.
    """

    tensors: dict[str, Tensor]
    outputs: list[str]
    aliases: dict[str, str] = field(default_factory=dict)
    shared: dict[str, str] = field(default_factory=dict)

    def find(self, name: str, tensor: Tensor, other: Trace | None = None) -> str | None:
        """Returns the name of the tensor that corresponds to one of another model, or `None`.

        Args:
            name: Its name there.
            tensor: The `Tensor`.
            other: The `Trace` of that model, for its other names.
        """
        aliases, shared = ({}, {}) if other is None else (other.aliases, other.shared)
        calls = self._calls(shared.get(name) or self.shared.get(name), tensor)
        if calls:
            return min(calls, key=lambda each: self.tensors[each].distance(tensor))
        for called in (name, *(alias for alias, own in aliases.items() if own == name)):
            found = called if called in self.tensors else self.aliases.get(called)
            if found in self.tensors and self.tensors[found].matches(tensor):
                return found
        return None

    def _calls(self, layer: str | None, tensor: Tensor) -> list[str]:
        """Returns the names of the calls of a layer that may correspond to `tensor`."""
        called = re.compile(rf"{re.escape(layer or '')}(_\d+)?")
        found = [name for name in self.tensors if layer and called.fullmatch(name)]
        return [name for name in found if self.tensors[name].matches(tensor)]
