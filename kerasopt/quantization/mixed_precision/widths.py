"""The best widths of layers under a budget."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kerasopt.quantization.formats import Format
from kerasopt.quantization.mixed_precision import figure
from kerasopt.quantization.specs import Spec
from kerasopt.report import Report
from kerasopt.table import format_table

_INT8 = Format(8)
_COSTS = ("bytes", "mac_bits")
_BUDGETS = 24  # points of a front


@dataclass(frozen=True, repr=False)
class Widths(Report):
    """A bit width for each layer. `print` shows a table.

    Attributes:
        bits: Dict of the path of a layer to the bits of its weights.
        cost: Float, their total cost.
        error: Float, the sum of the errors of the layers.
    """

    bits: dict[str, int]
    cost: float
    error: float

    def brief(self) -> str:
        return f"{len(self.bits)} layers, cost {self.cost:,.6g}, error {self.error:.2e}"

    def __str__(self) -> str:
        rows = [(path, str(bits)) for path, bits in self.bits.items()]
        return f"{format_table(('Layer', 'Bits'), rows)}\n\n{self.brief()}"

    def rules(self, activations: Format | None = _INT8) -> list[tuple[str, Spec]]:
        """Returns rules for `QuantizationAware` and `ko.quantize`.

        Args:
            activations: A `Format`; `None`: they stay float.
        """
        return [
            (path, Spec(Format(bits, symmetric=True), activations))
            for path, bits in self.bits.items()
        ]


@dataclass(frozen=True, repr=False)
class WidthSensitivity(Report):
    """The sensitivity of each layer to fewer bits for its weights. `print` shows a table.

    Attributes:
        errors: Dict of the path of a layer to its relative error at each width.
        sizes: Dict of the path of a layer to the number of its weights.
        macs: Dict of the path of a layer to its multiply-accumulates for one example, if known.
    """

    errors: dict[str, dict[int, float]]
    sizes: dict[str, int]
    macs: dict[str, int]

    def assign(self, budget: float, cost: str | dict[str, dict[int, float]] = "bytes") -> Widths:
        """Returns the widths with the smallest sum of errors whose cost is within a budget.

        SciPy solves it exactly, as an integer linear program.

        Args:
            budget: Float, in units of the cost.
            cost: `"bytes"` of the weights, `"mac_bits"` (multiply-accumulates times the bits of a
                weight), or a custom cost, such as a latency: a dict of the path of a layer to the
                cost at each width.

        Returns:
            `Widths`.

        Raises:
            ImportError: If SciPy is not installed.
            ValueError: If no assignment is within the budget, or a cost is unknown.

        Reference:
            Yao et al., "HAWQ-V3: Dyadic Neural Network Quantization" (2021,
            https://arxiv.org/abs/2011.10680), section 3.3, assigns widths in this way.
        """
        optimize = _scipy_optimize()
        choices = [(path, bits) for path, errors in self.errors.items() for bits in errors]
        costs = self._costs(choices, cost)
        errors = np.array([self.errors[path][bits] for path, bits in choices])
        one_each = np.array([[path == each for path, _ in choices] for each in self.errors])
        smallest = sum(costs[row].min() for row in one_each)
        if not smallest <= budget:
            raise ValueError(
                f"The smallest widths cost {smallest:.6g}, so no assignment is within the budget. "
                f"Pass a larger one. Received: budget={budget}"
            )
        # Errors differ by orders of magnitude, and the solver has an absolute tolerance.
        found = optimize.milp(
            errors / errors.max() if errors.max() else errors,
            integrality=np.ones(len(choices)),
            options={"mip_rel_gap": 0.0},
            bounds=optimize.Bounds(0, 1),
            constraints=[
                optimize.LinearConstraint(one_each.astype("float64"), 1, 1),
                optimize.LinearConstraint(costs[np.newaxis] / smallest, -np.inf, budget / smallest),
            ],
        )
        chosen = np.flatnonzero(np.round(found.x))
        return Widths(
            dict(choices[index] for index in chosen),
            float(costs[chosen].sum()),
            float(errors[chosen].sum()),
        )

    def front(self, cost: str | dict[str, dict[int, float]] = "bytes") -> list[Widths]:
        """Returns the Pareto front: the best widths under rising budgets."""
        choices = [(path, bits) for path, errors in self.errors.items() for bits in errors]
        costs = dict(zip(choices, self._costs(choices, cost), strict=True))
        of_layers = [[costs[path, bits] for bits in errors] for path, errors in self.errors.items()]
        fewest, most = sum(map(min, of_layers)), sum(map(max, of_layers))
        found: list[Widths] = []
        for budget in np.linspace(fewest, most, _BUDGETS):
            widths = self.assign(budget * (1 + 1e-9), cost)
            if not found or widths.error < found[-1].error:
                found.append(widths)
        return found

    def plot(self, path: str | Path | None = None, cost="bytes"):
        """Draws the Pareto front, and one width for all layers for comparison.

        Args:
            path: The file to write. `None`: no file is written.
            cost: As in `assign`.

        Returns:
            A `matplotlib.axes.Axes`.
        """
        axes = figure.draw(self.front(cost), self.uniform(cost), cost)
        if path is not None:
            axes.figure.savefig(path, dpi=150)
        return axes

    def uniform(self, cost: str | dict[str, dict[int, float]] = "bytes") -> list[Widths]:
        """Returns the cost and error of every width if all layers have it."""
        common = set.intersection(*(set(errors) for errors in self.errors.values()))
        found = []
        for bits in sorted(common):
            choices = [(path, bits) for path in self.errors]
            error = sum(self.errors[path][bits] for path in self.errors)
            found.append(Widths(dict(choices), float(self._costs(choices, cost).sum()), error))
        return found

    def _costs(self, choices, cost) -> np.ndarray:
        if isinstance(cost, dict):
            try:
                return np.array([float(cost[path][bits]) for path, bits in choices])
            except KeyError as error:
                raise ValueError(
                    "`cost` must have a number for every layer and width that was measured. "
                    f"Received: none for {error}"
                ) from None
        if cost == "bytes":
            return np.array([self.sizes[path] * bits / 8 for path, bits in choices])
        if cost == "mac_bits":
            unknown = self.errors.keys() - self.macs.keys()
            if unknown:
                raise ValueError(
                    "The multiply-accumulates of some layers are unknown. Pass cost='bytes', or a "
                    f"dict of costs. Received: cost='mac_bits', layers={sorted(unknown)[:3]}"
                )
            return np.array([float(self.macs[path] * bits) for path, bits in choices])
        raise ValueError(f"`cost` must be one of {_COSTS} or a dict. Received: cost={cost!r}")

    def brief(self) -> str:
        return f"{len(self.errors)} layers"

    def __str__(self) -> str:
        widths = sorted({bits for errors in self.errors.values() for bits in errors})
        rows = [
            (path, f"{self.sizes[path]:,}", *(f"{errors[bits]:.2e}" for bits in widths))
            for path, errors in self.errors.items()
        ]
        header = ("Layer", "Weights", *(f"{bits} bits" for bits in widths))
        return format_table(header, rows)


def _scipy_optimize():
    try:
        from scipy import optimize
    except ImportError as error:
        raise ImportError(
            "Widths are assigned by SciPy's solver. Install it with "
            '`pip install "kerasopt[mixed-precision]"`.'
        ) from error
    return optimize
