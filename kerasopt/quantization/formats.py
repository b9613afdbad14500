"""Integer formats, and the specs that say which tensors get which."""

import dataclasses

import keras
import numpy as np


@keras.saving.register_keras_serializable(package="kerasopt")
@dataclasses.dataclass(frozen=True)
class Format:
    """The integers that a tensor is rounded to.

    Args:
        bits: Integer from 2 to 8, the width.
        symmetric: Boolean. A symmetric format has zero point 0 and leaves the
            lowest integer out, so that it is its own mirror image (-127 to 127
            for 8 bits); an asymmetric one uses all integers.
    """

    bits: int = 8
    symmetric: bool = False

    def __post_init__(self):
        if not isinstance(self.bits, int) or not 2 <= self.bits <= 8:
            raise ValueError(f"`bits` must be from 2 to 8. Received: bits={self.bits!r}")

    @property
    def minimum(self) -> int:
        """The smallest integer."""
        return -(2 ** (self.bits - 1)) + self.symmetric

    @property
    def maximum(self) -> int:
        """The largest integer."""
        return 2 ** (self.bits - 1) - 1

    @property
    def step(self) -> np.float32:
        """The share of the range that one integer spans, a float32.

        For a symmetric format the range is the largest magnitude, else maximum
        less minimum. Scales are computed as range times step: a division by a
        constant would not give the same bits under XLA.
        """
        span = self.maximum if self.symmetric else self.maximum - self.minimum
        return np.float32(1 / span)

    def get_config(self) -> dict:
        return dataclasses.asdict(self)

    @classmethod
    def from_config(cls, config: dict) -> "Format":
        return cls(**config)


@keras.saving.register_keras_serializable(package="kerasopt")
@dataclasses.dataclass(frozen=True)
class Spec:
    """How a layer is quantized.

    Args:
        weights: `Format` of the kernels, one scale for each output channel.
        activations: `Format` of inputs and outputs, one scale for the tensor.
    """

    weights: Format
    activations: Format

    def get_config(self) -> dict:
        return {
            "weights": keras.saving.serialize_keras_object(self.weights),
            "activations": keras.saving.serialize_keras_object(self.activations),
        }

    @classmethod
    def from_config(cls, config: dict) -> "Spec":
        return cls(
            **{name: keras.saving.deserialize_keras_object(value) for name, value in config.items()}
        )


SPECS = {"int8": Spec(weights=Format(8, symmetric=True), activations=Format(8, symmetric=False))}


def get(identifier) -> Spec:
    """Returns a spec from its alias (`"int8"`), its config or itself."""
    if isinstance(identifier, Spec):
        return identifier
    if isinstance(identifier, str) and identifier in SPECS:
        return SPECS[identifier]
    if isinstance(identifier, dict):
        return keras.saving.deserialize_keras_object(identifier)
    raise ValueError(
        f"`spec` must be a `kerasopt.quantization.Spec` or one of {sorted(SPECS)}. "
        f"Received: spec={identifier!r}"
    )
