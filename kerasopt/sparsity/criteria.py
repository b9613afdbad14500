"""Criteria: how much each weight matters."""

import keras
import numpy as np


class Criterion:
    """Scores weights: the lowest scores are pruned first."""

    def __call__(self, weight: np.ndarray) -> np.ndarray:
        """Returns the scores of `weight`: float32, not negative, of the same shape."""
        raise TypeError(f"{type(self).__name__} must define `__call__`.")

    def get_config(self) -> dict:
        return {}

    @classmethod
    def from_config(cls, config: dict) -> "Criterion":
        return cls(**config)


@keras.saving.register_keras_serializable(package="kerasopt")
class Magnitude(Criterion):
    """The absolute value of a weight, `|w|`.

    Reference:
        Han et al., "Learning both Weights and Connections for Efficient Neural
        Networks" (2015, https://arxiv.org/abs/1506.02626).
    """

    def __call__(self, weight: np.ndarray) -> np.ndarray:
        return np.abs(weight)


ALIASES = {"magnitude": Magnitude}


def get(identifier) -> Criterion:
    """Returns a criterion from its alias (`"magnitude"`), its config or itself."""
    if isinstance(identifier, Criterion):
        return identifier
    if isinstance(identifier, str) and identifier in ALIASES:
        return ALIASES[identifier]()
    if isinstance(identifier, dict):
        return keras.saving.deserialize_keras_object(identifier)
    raise ValueError(
        f"`criterion` must be a `kerasopt.sparsity.Criterion` or one of {sorted(ALIASES)}. "
        f"Received: criterion={identifier!r}"
    )
