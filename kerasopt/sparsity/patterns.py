"""Patterns: which weights are pruned together."""

import re

import keras
import numpy as np

from kerasopt.graph import KernelLayout
from kerasopt.sparsity.axis import Axis, resolve
from kerasopt.sparsity.grouping import Grouping
from kerasopt.sparsity.scopes import LayerScope, Scope


class Pattern(Axis):
    """Cuts a weight into groups that are pruned as one.

    Attributes:
        alias: String, the name by which `get` finds it.
        needs: String, what a weight must have for the pattern, for errors.
    """

    alias: str
    needs = ""

    def applies(self, shape: tuple[int, ...], layout: KernelLayout) -> bool:
        """Whether a weight has the axes that the pattern is about."""
        return True

    def check(self, path: str, shape: tuple[int, ...], layout: KernelLayout) -> None:
        """Refuses a weight that cannot be cut into these groups.

        Args:
            path: String, the path of the weight, such as `"conv/kernel"`.
            shape: Its shape.
            layout: Its `KernelLayout`.

        Raises:
            ValueError: If the pattern does not apply to it, or is larger than it.
        """
        if not self.applies(shape, layout):
            raise ValueError(self._refusal(path, shape, f"has no {self.needs}"))

    def check_sparsity(self, final: float, scope: Scope) -> None:
        """Refuses a final sparsity, or a scope, that the pattern cannot have.

        Raises:
            ValueError: If there is such a conflict.
        """

    def grouping(self, shape: tuple[int, ...], layout: KernelLayout) -> Grouping:
        """Returns how a weight of `shape` is cut, where the pattern applies."""
        raise TypeError(f"{type(self).__name__} must define `grouping`.")

    def _refusal(self, path, shape, reason):
        return (
            f"Pattern '{self.alias}' does not fit the weight '{path}' of shape {tuple(shape)}, "
            f"which {reason}. Leave the layer out, or give it another pattern, by a rule. "
            f"Received: pattern='{self.alias}'"
        )


@keras.saving.register_keras_serializable(package="kerasopt")
class Element(Pattern):
    """Every weight by itself: the most accurate, and the hardest to run fast.

    Reference:
        Han et al., "Learning both Weights and Connections for Efficient Neural Networks" (2015,
        https://arxiv.org/abs/1506.02626).
    """

    alias = "element"

    def grouping(self, shape, layout):
        return Grouping.elements(shape)


@keras.saving.register_keras_serializable(package="kerasopt")
class NM(Pattern):
    """Of every M consecutive input channels, N stay: `"2:4"`, or any `"N:M"`.

    The M weights of a group lie side by side along the input axis, at one position of the window
    and for one output. On the way there every group loses

        p(s) = floor(s * M + 1/2)

    weights at the sparsity s of the schedule: 4:4, then 3:4, then 2:4. So the scope is always
    `"layer"`, and the final sparsity 1 - N/M. If M does not divide the number of input channels,
    the last group is filled up with zeros, which count as pruned first: of r channels,
    min(N, r) stay.

    Depthwise kernels have one input channel for each output, so no groups.

    Reference:
        Mishra et al., "Accelerating Sparse Deep Neural Networks" (2021,
        https://arxiv.org/abs/2104.08378).

    Args:
        n: Integer, how many weights of a group stay.
        m: Integer, the size of a group.
    """

    needs = "input axis that the layer sums over"

    def __init__(self, n: int, m: int):
        if not 0 < n <= m or m < 2:
            raise ValueError(
                f"Of M >= 2 weights, N stay, from 1 to M. {FORMS} Received: pattern='{n}:{m}'"
            )
        self.n, self.m = n, m

    @property
    def alias(self) -> str:  # type: ignore[override]
        return f"{self.n}:{self.m}"

    def applies(self, shape, layout):
        return bool(layout.contracted)

    def check_sparsity(self, final, scope):
        if abs(final - (1 - self.n / self.m)) > 1e-6:
            raise ValueError(
                f"A schedule that ends at {self.alias} has the final sparsity 1 - N/M = "
                f"{1 - self.n / self.m:g}. Received: pattern='{self.alias}', final={final!r}"
            )
        if not isinstance(scope, LayerScope):
            raise ValueError(
                f"Every group of {self.alias} has the same sparsity, so the scope must be "
                f"'layer'. Received: pattern='{self.alias}', scope={scope!r}"
            )

    def grouping(self, shape, layout):
        # Outputs stay where they lie in memory, before or after the inputs.
        inputs = layout.contracted
        before = tuple(a for a in range(len(shape)) if a < inputs[0])
        after = tuple(a for a in range(len(shape)) if a > inputs[0] and a not in inputs)
        view = tuple(int(np.prod([shape[a] for a in axes])) for axes in (before, inputs, after))
        return Grouping(shape, before + inputs + after, view, (1, self.m, 1))

    def keep(self, scores: np.ndarray, hidden: np.ndarray, sparsity: float) -> np.ndarray:
        """Returns which weights of each group stay, at a sparsity on the way to 1 - N/M.

        The lowest scores of each group go; of equal ones the first, and NaN last. What is hidden
        counts among them and stays hidden.

        Args:
            scores: Array (count, M), `grouping.split` of the scores.
            hidden: Boolean array (count, M), true where a weight is pruned already, or is none:
                `~grouping.split(mask)`.
            sparsity: Float in [0, 1).

        Returns:
            Boolean array (count, M), for `grouping.merge`.
        """
        pruned = int(np.floor(sparsity * self.m + 0.5))
        keys = np.where(np.isnan(scores), np.inf, scores)
        keys[hidden] = -np.inf
        # Counting, for each weight, those that go before it is faster than sorting short rows.
        rank = np.zeros((self.m, len(keys)), np.uint16)
        for later in range(1, self.m):
            for earlier in range(later):
                first = keys[:, earlier] <= keys[:, later]
                rank[later] += first
                rank[earlier] += ~first
        return (rank >= pruned).T & ~hidden

    def get_config(self):
        return {"n": self.n, "m": self.m}


@keras.saving.register_keras_serializable(package="kerasopt")
class Block(Pattern):
    """Rectangles of the kernel as a matrix: `"block4x1"`, or any `"blockRxC"`.

    A kernel is a matrix of (spatial positions * inputs) rows and (outputs) columns, and each
    block has R rows and C columns of it. Blocks at the lower and right border are smaller where
    R or C do not divide.

    Reference:
        Narang et al., "Block-Sparse Recurrent Neural Networks" (2017,
        https://arxiv.org/abs/1711.02782).

    Args:
        rows: Integer, how many inputs a block has.
        columns: Integer, how many outputs a block has.
    """

    needs = "rows: no spatial axes, and no input axis that the layer sums over"

    def __init__(self, rows: int, columns: int):
        if min(rows, columns) < 1:
            raise ValueError(
                f"A block has at least one row and one column. {FORMS} "
                f"Received: pattern='block{rows}x{columns}'"
            )
        self.rows, self.columns = rows, columns

    @property
    def alias(self) -> str:  # type: ignore[override]
        return f"block{self.rows}x{self.columns}"

    def applies(self, shape, layout):
        return bool(layout.spatial + layout.contracted)

    def check(self, path, shape, layout):
        super().check(path, shape, layout)
        rows, columns = self.grouping(shape, layout).view
        if self.rows > rows or self.columns > columns:
            raise ValueError(
                self._refusal(
                    path,
                    shape,
                    f"is a matrix of {rows}x{columns} (spatial positions * inputs, outputs), "
                    f"smaller than the block of {self.rows}x{self.columns}",
                )
            )

    def grouping(self, shape, layout):
        rows = layout.spatial + layout.contracted
        view = tuple(int(np.prod([shape[a] for a in axes])) for axes in (rows, layout.outputs))
        return Grouping(shape, rows + layout.outputs, view, (self.rows, self.columns))

    def get_config(self):
        return {"rows": self.rows, "columns": self.columns}


@keras.saving.register_keras_serializable(package="kerasopt")
class Kernel(Pattern):
    """One window of a convolution: all positions of one input channel and one output channel.

    Reference:
        Mao et al., "Exploring the Regularity of Sparse Structure in Convolutional Neural
        Networks" (2017, https://arxiv.org/abs/1705.08922).
    """

    alias = "kernel"
    needs = "spatial axes"

    def applies(self, shape, layout):
        return bool(layout.spatial)

    def grouping(self, shape, layout):
        return Grouping.along(shape, layout.inputs + layout.outputs)


@keras.saving.register_keras_serializable(package="kerasopt")
class Filter(Pattern):
    """One output channel: a convolution's filter, a column of a dense kernel.

    Reference:
        Li et al., "Pruning Filters for Efficient ConvNets" (2017,
        https://arxiv.org/abs/1608.08710).
    """

    alias = "filter"

    def grouping(self, shape, layout):
        return Grouping.along(shape, layout.outputs)


@keras.saving.register_keras_serializable(package="kerasopt")
class Channel(Pattern):
    """One input channel: what all outputs read of it; a row of an embedding.

    Reference:
        He et al., "Channel Pruning for Accelerating Very Deep Neural Networks" (2017,
        https://arxiv.org/abs/1707.06168).
    """

    alias = "channel"
    needs = "input axis"

    def applies(self, shape, layout):
        return bool(layout.inputs)

    def grouping(self, shape, layout):
        return Grouping.along(shape, layout.inputs)


@keras.saving.register_keras_serializable(package="kerasopt")
class Head(Pattern):
    """One head of an attention layer.

    The query, key and value kernels (inputs, heads, size) have the heads as the first of two
    output axes, the output kernel (heads, size, outputs) as the first of two input axes, and
    biases (heads, size) as the first axis.

    Reference:
        Michel et al., "Are Sixteen Heads Really Better than One?" (2019,
        https://arxiv.org/abs/1905.10650).
    """

    alias = "head"
    needs = "axis of heads"

    def applies(self, shape, layout):
        return max(len(layout.contracted), len(layout.outputs)) > 1

    def grouping(self, shape, layout):
        heads = layout.contracted if len(layout.contracted) > 1 else layout.outputs
        return Grouping.along(shape, heads[:1])


ALIASES: dict[str, type] = {
    pattern.alias: pattern for pattern in (Channel, Element, Filter, Head, Kernel)
}
FORMS = f"Patterns are {sorted(ALIASES)}, 'N:M' such as '2:4', and 'blockRxC' such as 'block4x1'."


def get(identifier) -> Pattern:
    """Returns a pattern from its alias, its config or itself.

    Args:
        identifier: `"element"`, `"kernel"`, `"filter"`, `"channel"`, `"head"`, `"N:M"` such as
            `"2:4"`, `"blockRxC"` such as `"block4x1"`, or a `Pattern`.

    Raises:
        ValueError: If it is none of these.
    """
    if isinstance(identifier, str) and identifier not in ALIASES:
        if match := re.fullmatch(r"(\d+):(\d+)", identifier):
            return NM(*map(int, match.groups()))
        if match := re.fullmatch(r"block(\d+)x(\d+)", identifier):
            return Block(*map(int, match.groups()))
        raise ValueError(f"{FORMS} Received: pattern={identifier!r}")
    return resolve(identifier, Pattern, ALIASES, "pattern")
