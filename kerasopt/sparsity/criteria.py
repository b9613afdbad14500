"""Criteria: how much each weight matters."""

import functools
import zlib
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from kerasopt.sparsity.axis import resolve
from kerasopt.sparsity.criterion import Criterion
from kerasopt.sparsity.gradient_criteria import Movement, Saliency
from kerasopt.sparsity.wanda import Wanda


@keras.saving.register_keras_serializable(package="kerasopt")
class Magnitude(Criterion):
    """The absolute value of a weight, `|w|`.

    The score of a group of `size` weights is `(sum(|w|^order) / size)^(1/order)`:
    of order 1 (aliases `"magnitude"` and `"l1"`) the mean magnitude, of order 2
    (`"l2"`) the root mean square. For single weights the order makes no difference.

    Args:
        order: Positive integer, the order of the norm.

    References:
        - Han et al., "Learning both Weights and Connections for Efficient Neural
          Networks" (2015, https://arxiv.org/abs/1506.02626).
        - Of filters, by their L1 norm: Li et al., "Pruning Filters for Efficient
          ConvNets" (2017, https://arxiv.org/abs/1608.08710).
    """

    def __init__(self, order: int = 1):
        if not isinstance(order, int) or order < 1:
            raise ValueError(f"`order` must be a positive integer. Received: order={order!r}")
        self.order = order

    def __call__(self, weight):
        return np.abs(weight.value)

    def get_config(self):
        return {"order": self.order}


@keras.saving.register_keras_serializable(package="kerasopt")
class Random(Criterion):
    """Scores drawn uniformly from [0, 1), whatever the weight: the control.

    They follow from the seed and the path of the weight alone, so a gradual
    schedule prunes in one fixed order, and a resumed training goes on with it.

    Args:
        seed: Integer, not negative.

    Reference:
        As a baseline: Gale et al., "The State of Sparsity in Deep Neural
        Networks" (2019, https://arxiv.org/abs/1902.09574).
    """

    def __init__(self, seed: int = 0):
        if not isinstance(seed, int) or seed < 0:
            raise ValueError(f"`seed` must be an integer from 0 up. Received: seed={seed!r}")
        self.seed = seed

    def __call__(self, weight):
        generator = np.random.default_rng([self.seed, zlib.crc32(str(weight).encode())])
        return generator.random(tuple(weight.stored.shape), "float32")

    def get_config(self):
        return {"seed": self.seed}


@keras.saving.register_keras_serializable(package="kerasopt")
class FunctionCriterion(Criterion):
    """The scores that a function of the user's own gives to a weight.

    Args:
        function: Callable that takes a float32 NumPy array, the values of a
            weight, and returns an array of real numbers of the same shape.
    """

    def __init__(self, function: Callable[[np.ndarray], np.ndarray] | dict):
        if isinstance(function, dict):
            function = keras.saving.deserialize_keras_object(function)
        self.function = function

    def __call__(self, weight):
        return self.function(weight.value)

    def scores(self, weight):
        scores = super().scores(weight)
        # Where training has diverged there is nothing to score.
        wrong = np.count_nonzero(np.isnan(scores) & ~np.isnan(weight.value))
        if wrong:
            raise ValueError(
                "A criterion must return numbers, infinite ones at most. Received: "
                f"criterion={self}, which returned {wrong} NaN for '{weight}'"
            )
        return scores

    def get_config(self):
        return {"function": keras.saving.serialize_keras_object(self.function)}

    def __str__(self):
        return getattr(self.function, "__name__", repr(self.function))


ALIASES: dict[str, Any] = {
    "l1": Magnitude,
    "l2": functools.partial(Magnitude, order=2),
    "magnitude": Magnitude,
    "movement": Movement,
    "random": Random,
    "saliency": Saliency,
    "wanda": Wanda,
}


def get(identifier) -> Criterion:
    """Returns a criterion from its alias, its config, a function or itself.

    The aliases are `"magnitude"`, `"l1"`, `"l2"`, `"random"`, `"saliency"`,
    `"movement"` and `"wanda"`.
    """
    if callable(identifier) and not isinstance(identifier, (Criterion, type)):
        return FunctionCriterion(identifier)
    return resolve(identifier, Criterion, ALIASES, "criterion")
