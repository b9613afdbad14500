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
    """A point on the axes of pruning.

    Attributes:
        schedule: A `Schedule` of sparsities, or a `MetricGuided`.
        scope: A `Scope`.
        criterion: A `Criterion`.
        pattern: A `Pattern`.
        rules: List of (selector, `Schedule`), with `None` for layers that are left alone.
        rewind: The time that rounds of pruning go back to; `None` if they do not.
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
                "Scope 'lamp' compares squares, so it takes no criterion with negative scores: use "
                f"scope 'global', or another criterion. Received: criterion={self.criterion}"
            )
        if self.rewind is not None:
            Rewinding(self.rewind, self.schedule)  # raises if it cannot go back
        if self.rewind is not None and self.regrowth.keeps_hidden:
            raise ValueError(
                "Rewinding takes pruned weights back to zero, so they are not latent: leave either "
                f"out. Received: rewind={self.rewind!r}, regrowth={type(self.regrowth).__name__}"
            )
        ruled = [level.final for _, level in self.rules if level is not None]
        for final in (self.final, *ruled):
            self.pattern.check_sparsity(final, self.scope)

    @property
    def is_guided(self) -> bool:
        """Whether a metric says how far the sparsity rises."""
        return isinstance(self.schedule, MetricGuided)

    @property
    def final(self) -> float:
        """The sparsity at the end, of layers without a rule; the highest that is tried."""
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
        ValueError: If one is malformed, or two do not go together.
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
    """Returns the schedule of the layers of a rule; `None` if it leaves them alone."""
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
