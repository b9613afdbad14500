"""The sparsity that each target has to reach, and when."""

from dataclasses import dataclass, field

from kerasopt.schedules import Schedule
from kerasopt.schedules.times import Horizon
from kerasopt.sparsity.masked_weight import MaskedWeight
from kerasopt.sparsity.target import Target


@dataclass(eq=False)
class Unit:
    """Targets with the same schedule.

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


class Plan:
    """The targets of a pruning, by schedule.

    Args:
        schedule: The `Schedule` of the layers that no rule names.
        joint: Boolean, whether `schedule` is the sparsity of all weights
            together, so that layers without a rule compensate for those with
            one.
    """

    def __init__(self, schedule: Schedule, joint: bool):
        self._schedule = schedule
        self._joint = joint
        self._units: dict[int, Unit] = {}

    def add(self, schedule: Schedule, targets: list[Target]) -> None:
        """Adds targets with a schedule."""
        self._units.setdefault(id(schedule), Unit(schedule)).targets += targets

    @property
    def schedules(self) -> list[Schedule]:
        """All schedules of the targets."""
        return [unit.schedule for unit in self._units.values()]

    @property
    def targets(self) -> list[Target]:
        """All targets."""
        return [target for unit in self._units.values() for target in unit.targets]

    @property
    def members(self) -> list[MaskedWeight]:
        """All weights that count."""
        return [weight for target in self.targets for weight in target.members]

    @property
    def weights(self) -> list[MaskedWeight]:
        """All weights that are masked."""
        return [weight for target in self.targets for weight in target.weights]

    @property
    def sparsity(self) -> float:
        """The currently pruned fraction of the weights without a rule."""
        unit = self._units[id(self._schedule)]
        members = [weight for target in unit.targets for weight in target.members]
        return 1 - sum(int(weight.mask.sum()) for weight in members) / unit.size

    def check(self, horizon: Horizon) -> None:
        """Raises `ValueError` if the rules make the overall sparsity unreachable."""
        for schedule in self.schedules:
            schedule.check(horizon)
        for unit, level in self._final_levels():
            if not 0 <= level < 1:
                raise ValueError(
                    f"With these rules a sparsity of {unit.schedule.final} is unreachable: the "
                    f"layers without a rule would need a sparsity of {level:.3f}. Change the "
                    f'rules, or pass `scope="layer"`. Received: final={unit.schedule.final}'
                )

    def levels(self, update: int, horizon: Horizon) -> list[tuple[list[Target], float]]:
        """Returns (targets, sparsity) for the units that are due at `update` or were before."""
        due = [(unit, unit.schedule.last_due(update, horizon)) for unit in self._units.values()]
        levels = [(unit, unit.schedule(at, horizon)) for unit, at in due if at is not None]
        finals = dict(self._final_levels())
        # While rules lag behind, other layers must not compensate for more than in the end.
        return [
            (unit.targets, min(level, finals[unit])) for unit, level in self._made_up_for(levels)
        ]

    def _final_levels(self):
        units = self._units.values()
        return self._made_up_for([(unit, unit.schedule.final) for unit in units])

    def _made_up_for(self, levels):
        if not self._joint:
            return levels
        ruled = [(unit, level) for unit, level in levels if unit.schedule is not self._schedule]
        free = [(unit, level) for unit, level in levels if unit.schedule is self._schedule]
        given = sum(unit.size * level for unit, level in ruled)
        total = sum(unit.size for unit, _ in levels)
        return ruled + [(unit, (level * total - given) / unit.size) for unit, level in free]
