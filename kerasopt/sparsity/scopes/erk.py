"""Erdős–Rényi-kernel sparsities: small layers stay denser."""

import numpy as np

from kerasopt.sparsity.scopes.scope import SCOPES, Scope
from kerasopt.sparsity.scopes.scores import HIDDEN
from kerasopt.sparsity.scopes.selection import keep_highest


@SCOPES.register("erk")
class ErdosRenyiKernel(Scope):
    """Erdős–Rényi-kernel sparsities: small layers stay denser, as in a random graph.

    The density of a kernel of shape (d_1, ..., d_n) is

        min(1, eps * (d_1 + ... + d_n) / (d_1 * ... * d_n))

    where eps is chosen so that all kernels together have the sparsity. Within a layer, the lowest
    scores are pruned. A layer that is already sparser stays so, and the others are denser in
    return.

    ```python
    ko.callbacks.Pruning(0.9, scope="erk", criterion="random", regrowth="rigl")
    ```

    References:
        - Mocanu et al., "Scalable training of artificial neural networks with adaptive sparse
          connectivity inspired by network science" (2018, https://arxiv.org/abs/1707.04780).
        - Evci et al., "Rigging the Lottery: Making All Tickets Winners" (2020,
          https://arxiv.org/abs/1911.11134), which adds the kernels of convolutions.
    """

    def keep(self, scores, sparsity):
        sizes = np.array([target.size for target in scores])
        live = np.array([target.size_of(target.values != HIDDEN) for target in scores])
        sides = np.array([sum(map(sum, target.shapes)) for target in scores], "float64")
        kept = min(sizes.sum() - round(sparsity * sizes.sum()), live.sum())
        pruned = sizes - share(kept, sides, live)
        return [
            keep_highest([target], int(number))[0]
            for target, number in zip(scores, pruned, strict=True)
        ]


def share(total: int, proportions: np.ndarray, limits: np.ndarray) -> np.ndarray:
    """Divides a number proportionally, within limits.

    Rounding follows Webster's method: each result is `min(limit, round(scale * proportion))` for a
    common scale, so no result grows when `total` falls. Rounding by largest remainders does not
    have this property.

    Args:
        total: Integer, at most the sum of `limits`.
        proportions: Positive floats.
        limits: Integers, the maximum of each result.

    Returns:
        Integer array whose sum is `total`.
    """
    full = np.zeros(limits.shape, bool)
    shares = limits
    while not full.all():
        rest = total - limits[full].sum()
        shares = np.where(full, limits, rest * proportions / proportions[~full].sum())
        if (shares <= limits).all():
            break
        full |= shares > limits
    shares = np.minimum(np.floor(shares + 0.5).astype("int64"), limits)
    # The scale is slightly off from the one that gives this sum: the results whose rounding changes
    # first on the way there are corrected.
    missing = total - shares.sum()
    for _ in range(missing):
        turns = np.where(shares < limits, (shares + 0.5) / proportions, np.inf)
        shares[np.argmin(turns)] += 1
    for _ in range(-missing):
        turns = np.where(shares > 0, (shares - 0.5) / proportions, -np.inf)
        shares[-1 - np.argmax(turns[::-1])] -= 1
    return shares
