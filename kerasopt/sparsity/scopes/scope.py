"""The base class of scopes."""

import numpy as np

from kerasopt.axis import Axis, Choices
from kerasopt.sparsity.scopes.scores import Scores


class Scope(Axis):
    """Decides which groups to prune to reach a sparsity."""

    def keep(self, scores: list[Scores], sparsity: float) -> list[np.ndarray]:
        """Returns which groups of each target stay.

        The lowest scores are pruned, ties in order. Hidden groups stay hidden: if they already
        exceed the sparsity, no other group is pruned.

        Args:
            scores: List of `Scores`, one for each target.
            sparsity: Float in [0, 1), the fraction of weights to prune, including those of hidden
                groups. It is reached to within half of the largest group, so exactly with groups of
                one weight.

        Returns:
            List of boolean arrays (count,), false where a group is pruned.
        """
        raise TypeError(f"{type(self).__name__} must define `keep`.")


SCOPES = Choices("scope", Scope)
