"""Sparse evolutionary training."""

import numpy as np

from kerasopt.schedules.times import epochs
from kerasopt.sparsity.regrowth.exchange import Exchange
from kerasopt.sparsity.regrowth.regrowth import REGROWTHS

_EVERY_EPOCH = epochs(1)


@REGROWTHS.register("set")
class SET(Exchange):
    """Sparse evolutionary training: connections return at random.

    Every exchange replaces the same share of each layer's connections, those of
    lowest magnitude. As in the paper, the defaults are one exchange per epoch
    and `fraction` 0.3.

    Example:

    ```python
    ko.callbacks.Pruning(0.9, scope="erk", criterion="random", regrowth="set")
    ```

    Args:
        fraction: Float in (0, 1], the share that an exchange replaces.
        begin: Time from which exchanges are due.
        end: Time of the last one.
        frequency: Optimizer updates between two exchanges, or
            `kerasopt.epochs(n)`.
        seed: Integer.

    Reference:
        Mocanu et al., "Scalable training of artificial neural networks with
        adaptive sparse connectivity inspired by network science" (2018,
        https://arxiv.org/abs/1707.04780), algorithm 1. New connections start at
        zero here, as in RigL.
    """

    def __init__(self, fraction=0.3, begin="0%", end="75%", frequency=_EVERY_EPOCH, seed=0):
        super().__init__(fraction, begin, end, frequency)
        self.seed = seed

    def growth(self, target, update):
        seeds = (self.seed, update, target.members[0].number)
        return np.random.default_rng(seeds).random(target.live.size)

    def get_config(self):
        return {**super().get_config(), "seed": self.seed}
