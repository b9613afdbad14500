"""Random scores, as a control."""

import numpy as np

from kerasopt.sparsity.criteria.criterion import CRITERIA, Criterion


@CRITERIA.register("random")
class Random(Criterion):
    """Scores drawn uniformly from [0, 1), whatever the weight: the control.

    They depend only on the seed and the position of the weight in the model, so
    a gradual schedule prunes in one fixed order, also after a resume.

    ```python
    ko.callbacks.Pruning(0.5, criterion=ko.sparsity.Random(seed=7))
    ```

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
        generator = np.random.default_rng([self.seed, weight.number])
        return generator.random(tuple(weight.stored.shape), "float32")

    def get_config(self):
        return {"seed": self.seed}
