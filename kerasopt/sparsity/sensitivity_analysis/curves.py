"""Sensitivity curves: the metric of a model over the sparsity of each layer."""

import numbers
from dataclasses import dataclass

from kerasopt.report import Report
from kerasopt.table import format_table

# For float32 metrics: a loss of exactly the budget is within it.
_TOLERANCE = 1e-6


@dataclass(frozen=True, repr=False)
class Sensitivity(Report):
    """Sensitivity curves: a metric with one layer pruned at a time.

    `kerasopt.sparsity.sensitivity` measures it. `print` shows it as a table.

    Attributes:
        metric: String, the name of the metric.
        mode: String, `"max"` if higher values are better, or `"min"`.
        baseline: Float, the metric of the unchanged model.
        levels: Tuple of floats, the sparsities, ascending.
        scores: Dict of the path of a layer to the list of its metrics, one for
            each level.
        sizes: Dict of the path of a layer to the number of its prunable
            weights.
        skipped: Tuple of strings, the paths of the layers that the rules
            excluded.
    """

    metric: str
    mode: str
    baseline: float
    levels: tuple[float, ...]
    scores: dict[str, list[float]]
    sizes: dict[str, int]
    skipped: tuple[str, ...] = ()

    def losses(self, path: str) -> list[float]:
        """Returns by how much pruning a layer worsens the metric at each level."""
        sign = 1 if self.mode == "max" else -1
        return [sign * (self.baseline - score) for score in self.scores[path]]

    def suggest(self, budget: float = 0.01) -> list[tuple[str, float | None]]:
        """Suggests how far to prune each layer, from its sensitivity.

        A layer gets the highest measured level up to which the metric stays within `budget` of the
        baseline; nothing is interpolated. A layer with `None` stays dense: even the lowest level
        exceeds the budget, or the rules excluded the layer.

        This is a starting point. **The losses of layers add up**: with all of them pruned at once,
        the metric falls by far more than the budget, and the training that follows has to recover
        it. The levels tell which layers to prune more and which less, not how far the whole model
        can be pruned.

        Example:

        ```python
        rules = ko.sparsity.sensitivity(model, (x_val, y_val)).suggest(budget=0.01)
        schedule = ko.schedules.PolynomialDecay(0.0, 0.8, begin="10%", end="60%")
        model.fit(x, y, epochs=10, callbacks=[ko.callbacks.Pruning(schedule, rules=rules)])
        ```

        Args:
            budget: Non-negative float, in units of the metric: for an accuracy, 0.01 is one
                percentage point.

        Returns:
            List of (path, sparsity or `None`), the `rules` of
            `kerasopt.callbacks.Pruning`: a layer's own sparsity replaces the
            final one of the schedule.

        Raises:
            ValueError: If `budget` is negative.

        Reference:
            Han et al. (2015, https://arxiv.org/abs/1506.02626) and Li et al. (2017,
            https://arxiv.org/abs/1608.08710, section 3.3) choose the sparsity of
            each layer by such curves.
        """
        if not isinstance(budget, numbers.Real) or not budget >= 0:
            raise ValueError(
                "`budget` must be a non-negative number, in units of the metric. Received: "
                f"budget={budget!r}"
            )
        rules: list[tuple[str, float | None]] = [(path, None) for path in self.skipped]
        for path in self.scores:
            bearable = None
            for level, loss in zip(self.levels, self.losses(path), strict=True):
                if not loss <= budget + _TOLERANCE:  # NaN is not
                    break
                bearable = level
            rules.append((path, bearable))
        # The first matching rule decides, and the path of an outer layer may be the name of an
        # inner one.
        return sorted(rules, key=lambda rule: -rule[0].count("/"))

    def table(self) -> str:
        """Returns a Markdown table that reads well as plain text: a row for each layer."""
        header = ["layer", "weights", *map(_percent, self.levels)]
        rows = [
            [path, f"{self.sizes[path]:,}", *(f"{score:.4f}" for score in scores)]
            for path, scores in self.scores.items()
        ]
        return format_table(header, rows)

    def plot(self, path=None):
        """Draws a line for each layer: the metric over its sparsity.

        The eight most sensitive layers, by the mean over the levels, have a
        colour and a name; the others are grey.

        Args:
            path: String or path, the file to write, such as
                `"sensitivity.png"`; the suffix determines the format. `None`:
                no file is written.

        Returns:
            The `matplotlib.axes.Axes`.

        Raises:
            ImportError: If matplotlib is not installed.
        """
        from kerasopt.sparsity.sensitivity_analysis.figure import draw

        axes = draw(self)
        if path is not None:
            axes.figure.savefig(path)
        return axes

    def brief(self) -> str:
        return f"{self.metric} with one layer pruned (unpruned: {self.baseline:.4f})"

    def __str__(self):
        return f"{self.brief()}\n\n{self.table()}"


def _percent(level: float) -> str:
    """Returns a fraction as a percentage without trailing zeros: `"99.9%"`."""
    return f"{100 * level:.4g}%"
