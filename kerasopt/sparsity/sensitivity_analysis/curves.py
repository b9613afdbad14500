"""The metric of a model over the sparsity of each layer."""

import numbers
from dataclasses import dataclass

from kerasopt.report import Report
from kerasopt.table import format_table

# Metrics are float32: a fall of exactly the budget is within it.
_TOLERANCE = 1e-6


@dataclass(frozen=True, repr=False)
class Sensitivity(Report):
    """What pruning one layer at a time does to a metric.

    `kerasopt.sparsity.sensitivity` measures it. `print` shows it as a table.

    Attributes:
        metric: String, the name of the metric.
        mode: String, `"max"` if higher values are better, or `"min"`.
        baseline: Float, the metric of the model as it is.
        levels: Tuple of floats, the sparsities, rising.
        scores: Dict of the path of a layer to the list of its metrics, one for
            each level.
        sizes: Dict of the path of a layer to the number of its weights that
            pruning counts.
        skipped: Tuple of strings, the paths of the layers that the rules left out.
    """

    metric: str
    mode: str
    baseline: float
    levels: tuple[float, ...]
    scores: dict[str, list[float]]
    sizes: dict[str, int]
    skipped: tuple[str, ...] = ()

    def losses(self, path: str) -> list[float]:
        """Returns how much worse than the baseline a layer makes the metric at each level."""
        sign = 1 if self.mode == "max" else -1
        return [sign * (self.baseline - score) for score in self.scores[path]]

    def suggest(self, budget: float = 0.01) -> list[tuple[str, float | None]]:
        """Suggests how far to prune each layer, from what each can bear by itself.

        A layer gets the highest of the measured levels such that there, and at
        every level below, the metric is within `budget` of the baseline; nothing
        is interpolated. `None` leaves a layer dense: even the lowest level costs
        it more, or the rules left it out.

        It is a suggestion to start from. **What layers cost adds up**: all of
        them pruned at once, the metric falls by far more than the budget, and it
        is for the training that follows to win it back. The levels say which
        layers to prune more and which less, not how much the model can lose.

        Example:

        ```python
        rules = ko.sparsity.sensitivity(model, (x_val, y_val)).suggest(budget=0.01)
        schedule = ko.schedules.PolynomialDecay(0.0, 0.8, begin="10%", end="60%")
        model.fit(x, y, epochs=10, callbacks=[ko.callbacks.Pruning(schedule, rules=rules)])
        ```

        Args:
            budget: Float, not negative, in units of the metric: 0.01 is one point
                of accuracy.

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
                "`budget` must be a number that is not negative, in units of the metric. "
                f"Received: budget={budget!r}"
            )
        rules: list[tuple[str, float | None]] = [(path, None) for path in self.skipped]
        for path in self.scores:
            bearable = None
            for level, loss in zip(self.levels, self.losses(path), strict=True):
                if not loss <= budget + _TOLERANCE:  # NaN is not
                    break
                bearable = level
            rules.append((path, bearable))
        # The first rule that matches decides, and the path of an outer layer may be the name of
        # an inner one.
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

        The eight layers that are most sensitive, by the mean over the levels,
        have a colour and a name; if there are more, the others are grey.

        Args:
            path: String or path, the file to write, such as `"sensitivity.png"`;
                the ending says the format. `None` writes none.

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
        return f"{self.metric} with one layer pruned (as it is: {self.baseline:.4f})"

    def __str__(self):
        return f"{self.brief()}\n\n{self.table()}"


def _percent(level: float) -> str:
    """Returns a fraction as a percentage, with the digits that it has: `"99.9%"`."""
    return f"{100 * level:.4g}%"
