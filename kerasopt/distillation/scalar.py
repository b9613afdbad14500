"""Numbers of a distillation that may follow a schedule."""

from collections.abc import Callable
from typing import Any

import keras

from kerasopt import schedules


class Scalar:
    """A number, or a schedule of one, that the compiled step reads.

    `kerasopt.callbacks.Distillation` binds a schedule to a variable while it trains, and sets it
    whenever the schedule is due. Outside of a training its value is the initial one.

    Args:
        given: A number, or a `kerasopt.schedules.Schedule`.
        name: String, the name of the argument, for messages.
        is_valid: Function that tells whether a number is allowed.
        wanted: String: which numbers are.

    Raises:
        ValueError: If `given`, or the initial or final value of a schedule, is not allowed.
    """

    def __init__(self, given: Any, name: str, is_valid: Callable[[float], bool], wanted: str):
        try:
            self.schedule = schedules.get(given)
        except ValueError:
            is_number = False
        else:
            is_number = is_valid(self.smallest) and is_valid(self.largest)
        if not is_number:
            raise ValueError(
                f"`{name}` must be {wanted}, or a `kerasopt.schedules.Schedule` of such numbers. "
                f"Received: {name}={given!r}"
            )
        self.given = given
        self.name = name
        self.variable: keras.Variable | None = None

    @property
    def value(self) -> Any:
        """The number: a float, or during a training a float32 tensor."""
        if self.variable is None:
            return self.schedule.initial
        return keras.ops.convert_to_tensor(self.variable)

    @property
    def smallest(self) -> float:
        """The smallest value."""
        return min(self.schedule.initial, self.schedule.final)

    @property
    def largest(self) -> float:
        """The largest value."""
        return max(self.schedule.initial, self.schedule.final)

    @property
    def is_scheduled(self) -> bool:
        """Whether it changes in the course of a training."""
        return self.schedule.initial != self.schedule.final

    def __repr__(self) -> str:
        return repr(self.given)

    def config(self) -> Any:
        """Returns what a config contains of it."""
        return keras.saving.serialize_keras_object(self.given)


def positive(given: Any, name: str) -> Scalar:
    """Returns a `Scalar` for a positive number."""
    return _as_scalar(given, name, lambda number: 0 < number, "a positive number")


def not_negative(given: Any, name: str) -> Scalar:
    """Returns a `Scalar` for a number from 0 on."""
    return _as_scalar(given, name, lambda number: 0 <= number, "a number from 0 on")


def share(given: Any, name: str) -> Scalar:
    """Returns a `Scalar` for a share."""
    return _as_scalar(given, name, lambda number: 0 <= number <= 1, "a number in [0, 1]")


def _as_scalar(given: Any, *checks: Any) -> Scalar:
    """Returns a `Scalar`; one that is given, as it is, so that it is bound once."""
    return given if isinstance(given, Scalar) else Scalar(given, *checks)


def scalars_of(thing: Any) -> list[Scalar]:
    """Returns the scalars among the attributes of a loss or a callback."""
    return [value for value in vars(thing).values() if isinstance(value, Scalar)]
