"""Latent weights under the masks."""

import keras

from kerasopt import schedules
from kerasopt.schedules.times import Epochs, Time
from kerasopt.sparsity.regrowth.regrowth import REGROWTHS, Regrowth


@REGROWTHS.register("straight_through")
class StraightThrough(Regrowth):
    """Pruned weights are latent: they are trained further, and return if they grow.

    The forward pass is masked; the gradient passes straight through the mask to
    all weights. Until `end`, all weights compete by their latent values at
    every mask update; after that the masks are fixed, but the latent values
    still train. Files contain the latent values, so they are as large as those
    of a dense model until `kerasopt.finalize`.

    Example:

    ```python
    ko.callbacks.Pruning(
        ko.schedules.PolynomialDecay(0.0, 0.8, end="50%"), regrowth="straight_through"
    )
    ```

    Args:
        end: Time of the last mask update.
        frequency: Optimizer updates between two mask updates, or
            `kerasopt.epochs(n)`. `None`: a hundredth of the updates to `end`.

    References:
        - Bengio et al., "Estimating or Propagating Gradients Through Stochastic
          Neurons for Conditional Computation" (2013,
          https://arxiv.org/abs/1308.3432), for the estimator.
        - Zhou et al., "Learning N:M Fine-grained Structured Sparse Neural
          Networks From Scratch" (2021, https://arxiv.org/abs/2102.04010),
          equation 4, for its use in pruning.
    """

    dense_gradient = True
    keeps_hidden = True

    def __init__(self, end: Time = "75%", frequency: int | Epochs | None = None):
        self.schedule = schedules.Linear(0.0, 0.0, "0%", end, frequency)

    def get_config(self):
        config = self.schedule.get_config()
        return {name: config[name] for name in ("end", "frequency")}

    @classmethod
    def from_config(cls, config):
        return cls(**{name: keras.saving.deserialize_keras_object(config[name]) for name in config})
