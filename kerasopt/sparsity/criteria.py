"""Criteria: how much each weight matters."""

import keras
import numpy as np

from kerasopt.sparsity.axis import Axis, resolve


class Criterion(Axis):
    """Scores weights: the lowest scores are pruned first."""

    def __call__(self, weight: np.ndarray) -> np.ndarray:
        """Returns the scores of `weight`: float32, not negative, of the same shape."""
        raise TypeError(f"{type(self).__name__} must define `__call__`.")


@keras.saving.register_keras_serializable(package="kerasopt")
class Magnitude(Criterion):
    """The absolute value of a weight, `|w|`.

    Reference:
        Han et al., "Learning both Weights and Connections for Efficient Neural
        Networks" (2015, https://arxiv.org/abs/1506.02626).
    """

    def __call__(self, weight: np.ndarray) -> np.ndarray:
        return np.abs(weight)


ALIASES: dict[str, type] = {"magnitude": Magnitude}


def get(identifier) -> Criterion:
    """Returns a criterion from its alias (`"magnitude"`), its config or itself."""
    return resolve(identifier, Criterion, ALIASES, "criterion")
