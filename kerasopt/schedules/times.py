"""Times in a training.

A time is an integer number of optimizer updates, a percentage of the updates of this training
(`"30%"`), or a number of epochs (`kerasopt.epochs(3)`).
"""

import dataclasses
import math
import numbers
import re

import keras

_PERCENTAGE = re.compile(r"\d+(\.\d+)?%")


@dataclasses.dataclass(frozen=True)
class Horizon:
    """The extent of one training.

    Args:
        total: Number of optimizer updates in all epochs of this training; `None` if the length of
            an epoch is unknown.
        updates_per_epoch: Optimizer updates in one epoch; not a whole number if gradients are
            accumulated across epochs. `None` if unknown.
    """

    total: int | None = None
    updates_per_epoch: float | None = None


@keras.saving.register_keras_serializable(package="kerasopt")
@dataclasses.dataclass(frozen=True)
class Epochs:
    """A time in epochs; see `kerasopt.epochs`."""

    number: float

    def __post_init__(self):
        if isinstance(self.number, bool) or not isinstance(self.number, numbers.Real):
            raise ValueError(f"`number` must be a number. Received: number={self.number!r}")
        if not 0 <= self.number < math.inf:
            raise ValueError(
                f"`number` must be finite and not negative. Received: number={self.number!r}"
            )

    def get_config(self) -> dict:
        return {"number": self.number}

    @classmethod
    def from_config(cls, config: dict) -> "Epochs":
        return cls(**config)


Time = int | str | Epochs


def epochs(number: float) -> Epochs:
    """Returns a time in epochs.

    ```python
    ko.schedules.PolynomialDecay(0.0, 0.8, begin=ko.epochs(1), end=ko.epochs(7.5))
    ```

    Args:
        number: Epochs since the beginning of training, not negative; may be a fraction.

    Returns:
        An `Epochs` time, accepted wherever a schedule takes a time.
    """
    return Epochs(number)


def validate_time(time: Time, name: str) -> Time:
    """Returns `time` in its plain form, or raises `ValueError` if it is malformed."""
    if isinstance(time, Epochs):
        return time
    if isinstance(time, str) and _PERCENTAGE.fullmatch(time) and magnitude(time) <= 100:
        return time
    if isinstance(time, numbers.Integral) and not isinstance(time, bool) and time >= 0:
        return int(time)
    raise ValueError(
        f"`{name}` must be a number of optimizer updates (an integer, not negative), a percentage "
        f'from "0%" to "100%", or `kerasopt.epochs(n)`. Received: {name}={time!r}'
    )


def resolve(time: Time, horizon: Horizon, name: str = "begin") -> int:
    """Turns a time into the nearest optimizer update.

    Args:
        time: An integer (updates), a percentage of `horizon.total`, or `Epochs`.
        horizon: The extent of this training.
        name: The argument's name in error messages.

    Returns:
        The number of updates since the beginning of the training, an integer.

    Raises:
        ValueError: If `time` is malformed, or relative to an unknown length.
    """
    time = validate_time(time, name)
    if isinstance(time, int) or not magnitude(time):
        return int(magnitude(time))
    length = horizon.updates_per_epoch if isinstance(time, Epochs) else horizon.total
    if length is None:
        raise ValueError(
            f"`{name}` is relative to the length of the training, which is unknown because the "
            "dataset has no length. Pass `steps_per_epoch` to `fit()`, or a number of optimizer "
            f"updates. Received: {name}={time!r}"
        )
    return round(length * magnitude(time) / (1 if isinstance(time, Epochs) else 100))


def magnitude(time: Time) -> float:
    """The number in a time, whatever its unit."""
    if isinstance(time, Epochs):
        return time.number
    return float(time.rstrip("%")) if isinstance(time, str) else time
