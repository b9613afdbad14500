"""What every scope does."""

import numpy as np

from kerasopt.axis import Axis, Choices
from kerasopt.sparsity.scopes.scores import Scores


class Scope(Axis):
    """Decides where to prune, so that a sparsity is reached."""

    def keep(self, scores: list[Scores], sparsity: float) -> list[np.ndarray]:
        """Returns which groups of each target stay.

        The lowest scores go, of equal ones the first. What is hidden stays so: where more is
        hidden than the sparsity asks for, no other group goes.

        Args:
            scores: List of `Scores`, one for each target.
            sparsity: Float in [0, 1), the fraction of weights to prune, those of hidden groups
                included. It is reached to half of the largest group, so exactly with groups of one
                weight.

        Returns:
            List of boolean arrays (count,), false where a group is pruned.
        """
        raise TypeError(f"{type(self).__name__} must define `keep`.")


SCOPES = Choices("scope", Scope, "kerasopt.sparsity")
