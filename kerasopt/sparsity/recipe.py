"""How the weights of a model are pruned: Criterion × Pattern × Scope × Schedule, and regrowth."""

import copy
import dataclasses
from collections.abc import Sequence
from typing import Any

from kerasopt import graph
from kerasopt.schedules import Schedule
from kerasopt.schedules.times import Time
from kerasopt.sparsity import criteria, patterns, scopes
from kerasopt.sparsity import regrowth as regrowths
from kerasopt.sparsity.criteria import Criterion
from kerasopt.sparsity.metric_guided import MetricGuided
from kerasopt.sparsity.patterns import Pattern
from kerasopt.sparsity.regrowth import Regrowth
from kerasopt.sparsity.rewinding import Rewinding
from kerasopt.sparsity.scopes import Scope
from kerasopt.sparsity.sparsity_schedule import sparsity_schedule


@dataclasses.dataclass(frozen=True)
class Recipe:
    """The choices of a pruning, one on each axis.

    Attributes:
        schedule: A `Schedule` of sparsities, or a `MetricGuided`.
        scope: A `Scope`.
        criterion: A `Criterion`.
        pattern: A `Pattern`.
        rules: List of (selector, `Schedule`), with `None` for layers that are not pruned.
        rewind: The time to which rounds of pruning rewind, or `None`.
        regrowth: A `Regrowth`.
    """

    schedule: Any
    scope: Scope
    criterion: Criterion
    pattern: Pattern
    rules: list[tuple[Any, Schedule | None]]
    rewind: Time | str | None
    regrowth: Regrowth

    def __post_init__(self):
        self.regrowth.check_pattern(self.pattern)
        if isinstance(self.scope, scopes.LAMP) and self.criterion.signed:
            raise ValueError(
                "Scope 'lamp' compares squares, so it does not support criteria with negative "
                "scores: pass scope='global', or another criterion. Received: "
                f"criterion={self.criterion}"
            )
        if self.rewind is not None:
            Rewinding(self.rewind, self.schedule)  # raises if it is impossible
        if self.rewind is not None and self.regrowth.keeps_hidden:
            raise ValueError(
                "`rewind` resets pruned weights to zero, so they cannot be latent: pass only one "
                f"of `rewind` and this `regrowth`. Received: rewind={self.rewind!r}, "
                f"regrowth={type(self.regrowth).__name__}"
            )
        ruled = [level.final for _, level in self.rules if level is not None]
        for final in (self.final, *ruled):
            self.pattern.check_sparsity(final, self.scope)

    @property
    def is_guided(self) -> bool:
        """Whether the sparsity is guided by a metric."""
        return isinstance(self.schedule, MetricGuided)

    @property
    def final(self) -> float:
        """The final sparsity of layers without a rule; if guided, the highest that is tried."""
        return self.schedule.limit if self.is_guided else self.schedule.final


def make_recipe(
    schedule: Any,
    scope: Any,
    criterion: Any,
    pattern: Any = "element",
    rules: Sequence = (),
    rewind: Any = None,
    regrowth: Any = None,
) -> Recipe:
    """Resolves the arguments of `kerasopt.callbacks.Pruning`.

    Raises:
        ValueError: If one is malformed, or two are incompatible.
    """
    if not isinstance(schedule, MetricGuided):
        schedule = sparsity_schedule(schedule)
    return Recipe(
        schedule,
        scopes.get(scope),
        criteria.get(criterion),
        patterns.get(pattern),
        [(rule.selector, _ruled(rule, schedule)) for rule in graph.parse_rules(rules)],
        rewind,
        regrowths.get(regrowth),
    )


def _ruled(rule, schedule):
    """Returns the schedule for the layers of a rule; `None` if they are not pruned."""
    if rule.argument is None:
        return None
    try:
        ruled = sparsity_schedule(rule.argument)
    except ValueError as error:
        raise ValueError(f"{error} in the rule {rule}") from None
    if isinstance(rule.argument, Schedule) or isinstance(schedule, MetricGuided):
        return ruled
    final, ruled = ruled.final, copy.copy(schedule)
    ruled.final = final
    return sparsity_schedule(ruled)
