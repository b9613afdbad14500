"""The dataset of a curriculum."""

import math
from collections.abc import Callable

import numpy as np

from kerasopt.curriculum import pacings
from kerasopt.training.indexed_dataset import IndexedDataset

_ORDERS = {
    "easy": lambda scores, rng: np.argsort(scores, kind="stable"),
    "hard": lambda scores, rng: np.argsort(-scores, kind="stable"),
    "random": lambda scores, rng: rng.permutation(len(scores)),
}


class CurriculumDataset(IndexedDataset):
    """Batches drawn from a growing share of the samples, the easiest first.

    A batch is a pure function of the seed, the epoch and the index, so it is correct whether `fit`
    shuffles the indices, prefetches or resumes. Its share is that of step
    `epoch * len(data) + index`. By default `fit` shuffles the order of the batches within an epoch;
    with `fit(..., shuffle=False)` the share also grows step by step within the epoch.

    Every epoch has the same number of batches, `ceil(n / batch_size)`, as with `fit(x, y)`. At a
    constant share all samples in use are drawn equally often, up to one; at share 1, an epoch is a
    permutation of all samples, as in plain training.

    `kerasopt.callbacks.Curriculum` sets the growth of the share and the epoch. Without it the share
    is 1.

    **Always run the control.** "When Do Curricula Work?" (Wu, Dyer and Neyshabur, ICLR 2021,
    https://arxiv.org/abs/2012.03107) trained over 25,000 models: in standard training a growing
    subset in *random* order does as well as an easy-to-hard one, and both no better than plain
    training; the easy-first order helps when training is short or labels are noisy.
    `order="random"` is that control: the same pacing without the difficulties. If it gains as much,
    the gain is not due to the curriculum.

    ```python
    scores = ko.curriculum.loss_scores(teacher, x, y)
    data = ko.curriculum.CurriculumDataset(x, y, scores, batch_size=32)
    curriculum = ko.callbacks.Curriculum(data, pacing="root", end="40%")
    model.fit(data, epochs=20, callbacks=[curriculum])
    ```

    Args:
        x: Inputs: an array of `n` samples, or a dict, tuple or list of arrays for several inputs.
        y: Targets, likewise.
        scores: Difficulty of each sample, finite, of shape `(n,)`; lower is easier.
        batch_size: Samples in a batch, an integer from 1 to `n`. The last batch may be smaller.
        order: `"easy"`: the easiest samples are in use first. `"hard"`: the hardest first, the
            anti-curriculum. `"random"`: a fixed random order, the control.
        seed: Integer that determines the random order and all draws.
        sample_weight: Sample weights, in a shape that Keras accepts, or `None`.

    Raises:
        ValueError: If lengths differ, scores are not finite, or an argument is out of range.
    """

    wanted = "`x`, `y`, `scores` and `sample_weight`"

    def __init__(
        self,
        x,
        y,
        scores,
        batch_size: int = 32,
        order: str = "easy",
        seed: int = 0,
        sample_weight=None,
    ):
        scores = _checked_scores(scores)
        super().__init__(x, y, sample_weight, len(scores), batch_size, seed)
        if order not in _ORDERS:
            raise ValueError(f"`order` must be one of {sorted(_ORDERS)}. Received: order={order!r}")
        self.order = order
        self._sorted = _ORDERS[order](scores, np.random.default_rng(self.seed))
        self._pacing: tuple[Callable[[float], float], int, int] | None = None

    def set_pacing(self, pacing, begin: int, end: int):
        """Makes the share grow from batch `begin` to batch `end` of the training.

        Args:
            pacing: A pacing function, or its name.
            begin: Batches before the share begins to grow, counted from epoch 0.
            end: Batches after which the share is 1.
        """
        self._pacing = (pacings.get(pacing), begin, end)

    def share(self, step: int) -> float:
        """The share of the sorted samples in use in batch `step`, counted from epoch 0."""
        if self._pacing is None:
            return 1.0
        pacing, begin, end = self._pacing
        if step >= end:
            return 1.0
        return pacing(max(0, step - begin) / (end - begin))

    def indices(self, index: int, epoch: int) -> np.ndarray:
        in_use = math.ceil(self.samples * self.share(epoch * len(self) + index))
        in_use = min(self.samples, max(self.batch_size, in_use))
        # Each slot of the epoch holds one rank among all samples; scaling the ranks down spreads
        # the slots evenly over the samples in use, and is the identity when all are.
        return self._sorted[self._slots(index, epoch) * in_use // self.samples]


def _checked_scores(scores) -> np.ndarray:
    scores = np.asarray(scores, dtype="float64")
    if scores.ndim != 1 or not len(scores):
        raise ValueError(
            "`scores` must have one number for each sample, shape (n,). Received: scores of shape "
            f"{scores.shape}"
        )
    if not np.isfinite(scores).all():
        raise ValueError(
            "`scores` must be finite; remove or replace such samples. Received: scores with "
            f"{np.count_nonzero(~np.isfinite(scores))} NaN or infinite values"
        )
    return scores
