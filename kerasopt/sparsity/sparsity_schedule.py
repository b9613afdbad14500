"""Schedules of sparsities."""

import numbers

from kerasopt import schedules

_RANGE = "A sparsity is the fraction of weights that are zero, in [0, 1). Received: schedule={!r}"


def sparsity_schedule(identifier) -> schedules.Schedule:
    """Resolves a schedule of sparsities.

    Raises:
        ValueError: If a sparsity is outside [0, 1), or decreases.
    """
    if isinstance(identifier, numbers.Real) and not 0 <= float(identifier) < 1:
        raise ValueError(_RANGE.format(identifier))
    schedule = schedules.get(identifier)
    for value in (schedule.initial, schedule.final):
        if not isinstance(value, numbers.Real) or not 0 <= value < 1:
            raise ValueError(_RANGE.format(identifier))
    if schedule.final < schedule.initial and not isinstance(schedule, schedules.Constant):
        raise ValueError(
            "Sparsity must not decrease: `final` must be at least `initial`. Received: "
            f"schedule={identifier!r}"
        )
    return schedule
