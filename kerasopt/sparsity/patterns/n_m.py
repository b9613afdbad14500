"""Fine-grained structured (N:M) sparsity: N of M consecutive weights stay."""

import math

import numpy as np

from kerasopt.sparsity.patterns.grouping import Grouping
from kerasopt.sparsity.patterns.pattern import PATTERNS, Pattern
from kerasopt.sparsity.scopes import LayerScope

# How many groups are ranked at once, so that they stay in the cache.
_CHUNK = 16384


@PATTERNS.register("N:M", form=r"(\d+):(\d+)")
class NM(Pattern):
    """Of every M consecutive input channels, N stay: `"2:4"`, or any `"N:M"`.

    The M weights of a group lie side by side along the input axis, at one position of the window
    and for one output. As the sparsity s of the schedule rises, each group loses

        p(s) = floor(s * M + 1/2)

    of them: for `"2:4"` the groups go from 4:4 over 3:4 to 2:4. All have the same sparsity, so
    the scope is `"layer"`, and the final sparsity is 1 - N/M.

    If M does not divide the number of input channels, the last group is padded with zeros, which
    are pruned first: of its r channels min(N, r) stay. A convolution with one input channel stays
    dense. Depthwise kernels do not sum over channels, so they have no groups.

    ```python
    layer = keras.layers.Dense(3)
    layer.build((None, 8))
    pattern, scores, mask = NM(2, 4), abs(layer.kernel.numpy()), np.ones((8, 3), bool)
    grouping = pattern.grouping((8, 3), ko.graph.kernel_layout(layer, "kernel"))
    kept = pattern.keep(grouping.split(scores), ~grouping.split(mask), sparsity=0.5)
    mask = grouping.merge(kept)  # two of four inputs, for each of the 3 outputs
    ```

    Reference:
        Mishra et al., "Accelerating Sparse Deep Neural Networks" (2021,
        https://arxiv.org/abs/2104.08378).

    Args:
        n: Integer, how many weights of a group stay.
        m: Integer, the size of a group, at least 2.

    Raises:
        ValueError: If N is not from 1 to M, or M is less than 2.
    """

    needs = "axis of input channels that the layer sums over"

    def __init__(self, n: int, m: int):
        if not 0 < n <= m or m < 2:
            raise ValueError(
                "A pattern N:M must have M of at least 2, and N from 1 to M. Received: "
                f"pattern='{n}:{m}'"
            )
        self.n, self.m = n, m
        self.alias = f"{n}:{m}"

    @property
    def sparsity(self) -> float:
        """The sparsity at which each group has N weights left: 1 - N/M."""
        return 1 - self.n / self.m

    def applies(self, shape, layout):
        return bool(layout.contracted)

    def check_sparsity(self, final, scope):
        if not math.isclose(final, self.sparsity, abs_tol=1e-6):
            raise ValueError(
                f"Pattern '{self.alias}' ends at the sparsity 1 - N/M = {self.sparsity:.7g}: pass "
                "a schedule that ends there (`MetricGuided` with this `limit`). "
                f"Received: pattern='{self.alias}', final={final!r}"
            )
        if not isinstance(scope, LayerScope):
            raise ValueError(
                f"Pattern '{self.alias}' gives every group the same sparsity: pass "
                f"scope='layer'. Received: pattern='{self.alias}', scope={scope!r}"
            )

    def grouping(self, shape, layout):
        # The other axes stay on their side of the input axis: no transposition.
        inputs = layout.contracted
        others = [axis for axis in range(len(shape)) if axis not in inputs]
        before = tuple(axis for axis in others if axis < inputs[0])
        after = tuple(axis for axis in others if axis > inputs[0])
        view = tuple(math.prod(shape[axis] for axis in axes) for axes in (before, inputs, after))
        return Grouping(shape, before + inputs + after, view, (1, self.m, 1))

    def keep(self, scores: np.ndarray, hidden: np.ndarray, sparsity: float) -> np.ndarray:
        """Returns which weights of each group stay, at a sparsity of up to 1 - N/M.

        The lowest scores of each group are pruned, ties in order, NaN and infinity last. Hidden
        weights count as pruned, and stay hidden.

        Args:
            scores: Float array (count, M): `grouping.split` of the scores.
            hidden: Boolean array (count, M), true for weights that are already pruned, and for
                padding: `~grouping.split(mask)`.
            sparsity: Float in [0, 1), the current value of the schedule.

        Returns:
            Boolean array (count, M), for `grouping.merge`.
        """
        pruned = math.floor(sparsity * self.m + 0.5)
        kept = np.empty((self.m, len(scores)), bool)
        for start in range(0, len(scores), _CHUNK):
            groups = slice(start, start + _CHUNK)
            keys = np.array(scores[groups].T, order="C")
            np.nan_to_num(keys, copy=False, nan=np.inf, posinf=np.inf)
            keys[hidden[groups].T] = -np.inf
            kept[:, groups] = _ranks(keys) >= pruned
        return kept.T & ~hidden

    def get_config(self):
        return {"n": self.n, "m": self.m}


def _ranks(keys: np.ndarray) -> np.ndarray:
    """Returns the rank of each key in its column; ties are ranked in order."""
    # Comparing all pairs is several times faster than sorting columns of this length.
    size = len(keys)
    ranks = np.zeros(keys.shape, np.min_scalar_type(size))
    for later in range(1, size):
        for earlier in range(later):
            in_order = keys[earlier] <= keys[later]
            ranks[later] += in_order
            ranks[earlier] += ~in_order
    return ranks
