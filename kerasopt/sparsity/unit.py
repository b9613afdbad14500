"""Targets that follow one schedule, and what is left for them to reach."""

from dataclasses import dataclass, field

from kerasopt.schedules import Schedule
from kerasopt.sparsity.target import Target
from kerasopt.times import Horizon


@dataclass(eq=False)
class Unit:
    """Targets that follow one schedule.

    Attributes:
        schedule: A `Schedule` of sparsities.
        targets: List of `Target`.
    """

    schedule: Schedule
    targets: list[Target] = field(default_factory=list)

    @property
    def size(self) -> int:
        """The number of weights that count."""
        return sum(target.size for target in self.targets)

    def level(self, update: int, horizon: Horizon) -> float | None:
        """Returns the sparsity in force at `update`; `None` before the first one is due."""
        due = self.schedule.last_due(update, horizon)
        return None if due is None else self.schedule(due, horizon)


def remaining_level(level: float, unit: Unit, others: list[tuple[Unit, float]]) -> float:
    """Returns the sparsity by which a unit brings all units together to `level`.

    Args:
        level: Float, the sparsity of all weights of all units.
        unit: The unit that is free.
        others: List of the units whose sparsities are given, with these.
    """
    total = unit.size + sum(other.size for other, _ in others)
    zeros = level * total - sum(other.size * given for other, given in others)
    return zeros / unit.size
