"""Custom criteria that are functions."""

from collections.abc import Callable

import keras
import numpy as np

from kerasopt.sparsity.criteria.criterion import CRITERIA, Criterion


@CRITERIA.register()
class FunctionCriterion(Criterion):
    """The scores that a custom function gives to a weight.

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
        # If training has diverged, there is nothing to score.
        wrong = np.count_nonzero(np.isnan(scores) & ~np.isnan(weight.value))
        if wrong:
            raise ValueError(
                f"A criterion must not return NaN. Received: criterion={self}, which returned "
                f"{wrong} NaN for '{weight}'"
            )
        return scores

    def get_config(self):
        return {"function": keras.saving.serialize_keras_object(self.function)}

    def __str__(self):
        return getattr(self.function, "__name__", repr(self.function))
