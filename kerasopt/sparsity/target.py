"""The targets of pruning: kernels, with the vectors that are pruned along with them."""

from dataclasses import dataclass, field

import numpy as np

from kerasopt.sparsity.criteria import Criterion
from kerasopt.sparsity.masked_weight import MaskedWeight
from kerasopt.sparsity.patterns import Pattern
from kerasopt.sparsity.scopes.scores import Scores, hide
from kerasopt.warning import warn


@dataclass(eq=False)
class Target:
    """Weights with common groups: group i is kept or pruned in all of them.

    Most targets are one kernel. Filters are pruned along with their bias and
    batch normalization; an attention head consists of parts of four kernels.

    Attributes:
        pattern: The `Pattern` that divides the weights into groups.
        members: Weights that are scored, and whose zeros count.
        followers: Weights that are pruned along with the members.
    """

    pattern: Pattern
    members: list[MaskedWeight]
    followers: list[MaskedWeight] = field(default_factory=list)

    @property
    def weights(self) -> list[MaskedWeight]:
        """Members and followers."""
        return self.members + self.followers

    @property
    def size(self) -> int:
        """The number of weights that count."""
        return sum(weight.size for weight in self.members)

    @property
    def group_sizes(self) -> int | np.ndarray:
        """The number of member weights in each group; an integer if all are equal."""
        return sum(weight.grouping.sizes for weight in self.members)

    @property
    def live(self) -> np.ndarray:
        """Boolean array (count,): the groups that are not pruned."""
        live = _any(self.members[0])
        for weight in self.members[1:]:
            live = live | _any(weight)
        return live

    def scores(self, criterion: Criterion, revive: bool = False) -> Scores:
        """Returns the scores of the groups by a criterion.

        Args:
            criterion: A `Criterion`.
            revive: Boolean, whether pruned groups are scored like the others.
        """
        values = self.pool([criterion.scores(weight) for weight in self.members], criterion.order)
        if not revive:
            values = hide(values, self.live)
        shapes = tuple(weight.grouping.shape for weight in self.members)
        return Scores(values, self.group_sizes, shapes)

    def pool(self, values: list[np.ndarray], order: int) -> np.ndarray:
        """Returns one value for each group: `(sum |v|^n / size)^(1/n)` over its weights.

        Dividing by the size makes groups of different sizes comparable. For n =
        1 the result is the signed mean.

        Args:
            values: List of arrays, one for each member, of its shape.
            order: Integer, n.
        """
        if np.isscalar(self.group_sizes) and self.group_sizes == 1:
            return self.members[0].grouping.split(values[0])[:, 0]
        total = 0.0
        for weight, array in zip(self.members, values, strict=True):
            blocks = weight.grouping.split(array)
            total = total + (blocks if order == 1 else np.abs(blocks) ** order).sum(axis=1)
        return np.asarray((total / self.group_sizes) ** (1 / order), "float32")

    def keep(self, kept: np.ndarray, revive: bool = False) -> bool:
        """Updates the masks, including those of followers.

        Args:
            kept: Boolean array (count,), true for the groups that are kept.
            revive: Boolean, whether pruned weights in a kept group are revived.

        Returns:
            Whether a mask has changed.
        """
        if not kept.any() and self.live.any():
            warn(
                f"'{self.members[0]}' is pruned completely: its output no longer depends on its "
                'input. Use a lower sparsity or `scope="layer"`, "erk" or "lamp", or exclude the '
                "layer with a rule `(name, None)`.",
            )
        moved = False
        for weight in self.weights:
            mask = weight.grouping.expand(kept)
            moved |= weight.move(mask if revive else mask & weight.mask)
        return moved


def _any(weight: MaskedWeight) -> np.ndarray:
    blocks = weight.grouping.split(weight.mask)
    return blocks[:, 0] if blocks.shape[1] == 1 else np.any(blocks, axis=1)
