"""LAMP: scores that are comparable between layers."""

import math

import numpy as np

from kerasopt.sparsity.scopes.scope import SCOPES, Scope
from kerasopt.sparsity.scopes.scores import HIDDEN, Scores
from kerasopt.sparsity.scopes.selection import FEW, LOWEST, ascending, divide, keep_highest, sample

_LARGEST = np.finfo("float32").max


@SCOPES.register("lamp")
class LAMP(Scope):
    """LAMP: one threshold for all layers, on scores relative to the layer of each weight.

    The layer-adaptive magnitude-based score of weight u among the active weights of its layer, in
    ascending order of magnitude, is

        w_u^2 / (sum of w_v^2 over v >= u)

    The sparsities of layers thus follow from their weights, and no layer is pruned completely while
    others have weights left: its largest weight scores 1. With other criteria and patterns, their
    scores replace the magnitudes; they must not be negative.

    ```python
    ko.callbacks.Pruning(0.8, scope="lamp")
    ```

    Raises:
        ValueError: If a score is negative.

    Reference:
        Lee et al., "Layer-adaptive Sparsity for the Magnitude-based Pruning" (2021,
        https://arxiv.org/abs/2010.07611).
    """

    def keep(self, scores, sparsity):
        for target in scores:
            if np.count_nonzero(target.values < 0) > np.count_nonzero(target.values == HIDDEN):
                raise ValueError(
                    "Scope 'lamp' compares squares, so it does not support criteria with negative "
                    "scores, such as 'movement': pass scope='global', or another criterion. "
                    f"Received: scope={self!r}, a score of "
                    f"{target.values[target.values > HIDDEN].min()}"
                )
        pruned = round(sparsity * sum(target.size for target in scores))
        # Within a layer the score rises with the magnitude, so each layer has its own magnitude
        # threshold. Scores are computed only near it, within a bracket estimated from a sample.
        brackets = _brackets(scores, pruned)
        parts = [_Part(target, *bracket) for target, bracket in zip(scores, brackets, strict=True)]
        largest = max(target.largest for target in scores)
        while True:
            below = sum(part.below for part in parts)
            stays = keep_highest([part.scores for part in parts], pruned - below, largest)
            missed = [n for n, part in enumerate(parts) if not part.encloses(stays[n])]
            if not missed:
                return [part.keep(flags) for part, flags in zip(parts, stays, strict=True)]
            for n in missed:
                parts[n] = _Part(scores[n], LOWEST, math.inf)


class _Part:
    """The groups of a target between two scores, in ascending order, with their LAMP scores."""

    def __init__(self, target: Scores, low: float, high: float):
        self._open = low == LOWEST, high == math.inf
        self._above, positions, self.below = divide(target, low, high)
        self._positions = positions[ascending(target.values[positions])]
        largest = _squares(target.values[np.flatnonzero(self._above)]).sum()
        lamp = _normalized(_squares(target.values[self._positions]), largest)
        self.scores = Scores(lamp, target.sizes_at(self._positions), ())

    def encloses(self, stays: np.ndarray) -> bool:
        """Whether the threshold is between the two scores: some groups are pruned, some stay."""
        down, up = self._open
        if not stays.size:
            return down and up
        return (down or not stays[0]) and (up or stays[-1])

    def keep(self, stays: np.ndarray) -> np.ndarray:
        """Returns which groups of the target stay, given those of the part."""
        self._above[self._positions] = stays
        return self._above


def _brackets(scores, pruned):
    """Returns, for each target, two scores that probably enclose its threshold."""
    samples = []
    for target in scores:
        values, sizes = sample(target, max(FEW, target.values.size ** (2 / 3)))
        order = ascending(values)
        # Each score of the sample represents many in the sum.
        lamp = _normalized(_squares(values[order])) * math.sqrt(values.size / target.values.size)
        samples.append((values[order], lamp.astype("float32"), sizes[order]))
    _, lamp, sizes = (np.concatenate(arrays) for arrays in zip(*samples, strict=True))
    order = ascending(lamp)
    last = np.searchsorted(np.cumsum(sizes[order]), pruned)
    threshold = lamp[order[min(last, order.size - 1)]]
    return [_bracket(values, lamp, threshold) for values, lamp, _ in samples]


def _bracket(values, lamp, threshold):
    at = int(np.searchsorted(lamp, threshold, side="right"))
    # The error of the threshold comes from its rank in the sample and from the sums of squares.
    margin = round(2 * math.sqrt(values.size))
    low = values[at - margin] if at > margin else LOWEST
    high = values[at + margin] if at + margin < values.size else math.inf
    return max(low, LOWEST), high


def _squares(values):
    # Hidden groups count as zeros; infinite scores get a finite square.
    return np.square(np.clip(np.fmin(values, _LARGEST), 0, None), dtype="float64")


def _normalized(squares, largest=0.0):
    """Returns the square roots of LAMP scores: in the same order, without float32 underflow.

    Args:
        squares: Ascending squares of scores.
        largest: The sum of the squares that come after them.
    """
    sums = largest + np.cumsum(squares[::-1])[::-1]
    return np.sqrt(squares / np.maximum(sums, np.finfo("float64").tiny)).astype("float32")
