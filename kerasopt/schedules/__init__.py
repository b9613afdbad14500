"""Schedules: pure functions of the optimizer update and the training's horizon.

A schedule gives a value at every update, and the updates at which this value is *due* to be
applied, so that costly changes of state (a new mask) do not happen in every step.
"""

import numbers
from typing import Any

from kerasopt.axis import find_class
from kerasopt.schedules.schedule import SCHEDULES, Schedule
from kerasopt.schedules.times import Horizon

SCHEDULES.load(__name__)

__all__ = ["Horizon", "Schedule", "get", "register", *SCHEDULES.classes]

register = SCHEDULES.register


def get(identifier) -> Schedule:
    """Resolves a schedule, as Keras' `get` functions do.

    Args:
        identifier: A `Schedule`; a number, which means `Constant`; or a dict with `class_name`
            (an alias such as `"cosine"`, or a registered name) and `config`.

    Returns:
        A `Schedule`.

    Raises:
        ValueError: If the identifier is none of these.
    """
    if isinstance(identifier, numbers.Real) and not isinstance(identifier, bool):
        return SCHEDULES.classes["Constant"](float(identifier))
    if isinstance(identifier, dict) and identifier.get("class_name") in SCHEDULES.aliases:
        schedule, _ = SCHEDULES.aliases[identifier["class_name"]]
        return schedule.from_config(identifier.get("config", {}))
    if isinstance(identifier, (dict, Schedule)):
        return SCHEDULES.get(identifier)
    raise ValueError(
        "`schedule` must be a `kerasopt.schedules.Schedule`, a number, or a dict whose "
        f'"class_name" is one of {sorted(SCHEDULES.aliases)}. Received: schedule={identifier!r}'
    )


def __getattr__(name: str) -> Any:
    return find_class(__name__, name, SCHEDULES)
