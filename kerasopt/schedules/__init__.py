"""How much, when: pure functions of the optimizer update and the training's horizon.

A schedule gives a value at every update, and says at which updates that value is *due* to be
applied, so that a costly change of state (a new mask) does not happen in every step.
"""

import numbers

import keras

from kerasopt.schedules.jumps import Constant, Iterative, OneShot
from kerasopt.schedules.ramps import Cosine, Linear, PolynomialDecay
from kerasopt.schedules.schedule import Schedule
from kerasopt.schedules.times import Horizon

__all__ = [
    "Constant",
    "Cosine",
    "Horizon",
    "Iterative",
    "Linear",
    "OneShot",
    "PolynomialDecay",
    "Schedule",
    "get",
]

ALIASES: dict[str, type[Schedule]] = {
    "constant": Constant,
    "one_shot": OneShot,
    "iterative": Iterative,
    "polynomial_decay": PolynomialDecay,
    "linear": Linear,
    "cosine": Cosine,
}


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
    if isinstance(identifier, Schedule):
        return identifier
    if isinstance(identifier, numbers.Real) and not isinstance(identifier, bool):
        return Constant(float(identifier))
    if isinstance(identifier, dict):
        if identifier.get("class_name") in ALIASES:
            return ALIASES[identifier["class_name"]].from_config(identifier.get("config", {}))
        schedule = keras.saving.deserialize_keras_object(identifier)
        if isinstance(schedule, Schedule):
            return schedule
    raise ValueError(
        "`schedule` must be a `kerasopt.schedules.Schedule`, a number, or a dict whose "
        f'"class_name" is one of {sorted(ALIASES)}. Received: schedule={identifier!r}'
    )
