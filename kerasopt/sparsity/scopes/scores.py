"""The importance of groups of weights."""

from typing import NamedTuple

import numpy as np

# The score of a group that is already pruned and stays pruned.
HIDDEN = -np.inf


class Scores(NamedTuple):
    """The importance of each group of weights of a target.

    Attributes:
        values: float32 array of shape (count,), the score of each group, `HIDDEN` if it is already
            pruned. Infinity and NaN (diverged training) are pruned last.
        sizes: The number of weights in each group: an integer if all are equal, or an integer
            array of shape (count,).
        shapes: Tuple of the shapes of the weights that the groups belong to.
    """

    values: np.ndarray
    sizes: int | np.ndarray
    shapes: tuple[tuple[int, ...], ...]

    @property
    def size(self) -> int:
        """The number of weights in all groups."""
        if isinstance(self.sizes, np.ndarray):
            return int(self.sizes.sum())
        return self.sizes * self.values.size

    @property
    def largest(self) -> int:
        """The number of weights in the largest group."""
        return int(np.max(self.sizes))

    def size_of(self, groups: np.ndarray) -> int:
        """Returns the number of weights in the groups that a boolean array (count,) flags."""
        if isinstance(self.sizes, np.ndarray):
            return int(self.sizes @ groups)
        return self.sizes * int(np.count_nonzero(groups))

    def sizes_at(self, positions: np.ndarray) -> np.ndarray:
        """Returns the numbers of weights in the groups at `positions`."""
        if isinstance(self.sizes, np.ndarray):
            return self.sizes[positions]
        return np.full(positions.size, self.sizes)


def hide(values: np.ndarray, live: np.ndarray) -> np.ndarray:
    """Returns scores with `HIDDEN` where `live` is false; `values` itself if all are true.

    Equivalent to `np.where`, but five times as fast: with a random mixture of active and pruned
    weights, `np.where` suffers from branch mispredictions; arithmetic has no branches.

    Args:
        values: float32 array.
        live: Boolean array of the same shape.
    """
    if live.all():
        return values
    limits = live.astype("float32")
    limits -= 0.5
    limits *= np.inf
    # The smaller of the two, and infinity for NaN.
    return np.fmin(values, limits, out=limits)
