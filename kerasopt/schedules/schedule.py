"""The base class of schedules."""

import math
import numbers

import keras

from kerasopt.axis import Choices
from kerasopt.schedules.times import Epochs, Horizon, Time, magnitude, resolve, validate_time
from kerasopt.warning import warn

UNKNOWN = Horizon()

_BEGIN_AFTER_END = "`begin` must not come after `end`. Received: begin={begin!r}, end={end!r}"


class Schedule:
    """A value over the course of a training: the base class of schedules.

    A schedule is a pure function: `schedule(update, horizon)` is the value after `update` optimizer
    updates. It goes from `initial` to `final` between `begin` and `end`, linearly unless a subclass
    overrides `curve`. It is due to be applied at `begin`, at every `frequency`-th update after it,
    and at `end`.

    All methods take the horizon of the training (`kerasopt.schedules.Horizon`). Only times in
    epochs or percentages need it: a custom loop with times in updates may omit it.

    ```python
    @keras.saving.register_keras_serializable(package="my_package")
    class Quadratic(ko.schedules.Schedule):
        def curve(self, progress):
            return progress**2

    Quadratic(0.0, 0.8, begin=0, end=100)(50)  # 0.2
    ```

    Args:
        initial: Value until `begin`, a float.
        final: Value from `end` on, a float.
        begin: Time of the first application.
        end: Time of the last application, at which `final` is reached.
        frequency: Updates between two applications, or `kerasopt.epochs(n)`. `None`: a hundredth of
            the updates from `begin` to `end`, rounded up, so every update in a short run. (With a
            fixed number, as the 100 of tfmot, short runs silently never prune:
            tensorflow/model-optimization#973.)

    Raises:
        ValueError: If a value is not finite, a time is malformed, `begin` is after `end`, or
            `frequency` is not positive.
    """

    def __init__(
        self,
        initial: float,
        final: float,
        begin: Time = "0%",
        end: Time = "100%",
        frequency: int | Epochs | None = None,
    ):
        self.initial = finite(initial, "initial")
        self.final = finite(final, "final")
        self.begin = validate_time(begin, "begin")
        self.end = validate_time(end, "end")
        self.frequency = _validate_frequency(frequency)
        if type(self.begin) is type(self.end) and magnitude(self.begin) > magnitude(self.end):
            raise ValueError(_BEGIN_AFTER_END.format(begin=begin, end=end))

    def curve(self, progress: float) -> float:
        """The completed share of the change from `initial` to `final`; `progress` is in [0, 1]."""
        return progress

    def __call__(self, update: int, horizon: Horizon = UNKNOWN) -> float:
        begin, end = self.span(horizon)
        if update >= end:
            return self.final
        if update <= begin:
            return self.initial
        done = self.curve((update - begin) / (end - begin))
        return self.initial + (self.final - self.initial) * done

    def span(self, horizon: Horizon = UNKNOWN) -> tuple[int, int]:
        """The updates of the first and the last application.

        Raises:
            ValueError: If `begin` is after `end`, or a time is relative to an unknown length.
        """
        begin = resolve(self.begin, horizon, "begin")
        end = resolve(self.end, horizon, "end")
        if begin > end:
            raise ValueError(_BEGIN_AFTER_END.format(begin=self.begin, end=self.end))
        return begin, end

    def next_due(self, update: int, horizon: Horizon = UNKNOWN) -> int | None:
        """The first update strictly after `update` at which the value is to be applied."""
        begin, end = self.span(horizon)
        if update < begin:
            return begin
        if update >= end:
            return None
        step = self._step(begin, end, horizon)
        return min(end, begin + ((update - begin) // step + 1) * step)

    def last_due(self, update: int, horizon: Horizon = UNKNOWN) -> int | None:
        """The last update up to and including `update` at which the value was to be applied.

        The value in effect at `update` is `schedule(schedule.last_due(update, horizon), horizon)`,
        not the value at `update`: so a resume between two applications equals the uninterrupted
        run.
        """
        begin, end = self.span(horizon)
        if update < begin:
            return None
        if update >= end:
            return end
        step = self._step(begin, end, horizon)
        return begin + (update - begin) // step * step

    def check(self, horizon: Horizon):
        """Raises if times cannot be resolved in this training, warns if it is too short."""
        begin, end = self.span(horizon)
        total = math.inf if horizon.total is None else horizon.total
        if end > total or begin >= total:
            warn(
                f"{type(self).__name__} cannot finish in this training: it begins at update "
                f"{begin} and ends at update {end}, but this training has {total} optimizer "
                "updates. Train longer, or pass an earlier `begin` and `end`. Received: "
                f"begin={self.begin!r}, end={self.end!r}",
            )

    def _step(self, begin: int, end: int, horizon: Horizon) -> int:
        if self.frequency is None:
            return max(1, math.ceil((end - begin) / 100))
        return max(1, resolve(self.frequency, horizon, "frequency"))

    def get_config(self) -> dict:
        return {
            "initial": self.initial,
            "final": self.final,
            "begin": keras.saving.serialize_keras_object(self.begin),
            "end": keras.saving.serialize_keras_object(self.end),
            "frequency": keras.saving.serialize_keras_object(self.frequency),
        }

    @classmethod
    def from_config(cls, config: dict) -> "Schedule":
        times = {
            name: keras.saving.deserialize_keras_object(config[name])
            for name in ("begin", "end", "frequency")
            if name in config
        }
        return cls(**{**config, **times})

    def __repr__(self):
        arguments = ", ".join(f"{name}={value!r}" for name, value in self.get_config().items())
        return f"{type(self).__name__}({arguments})"


def _validate_frequency(frequency: int | Epochs | None) -> int | Epochs | None:
    if frequency is None:
        return None
    if isinstance(frequency, (int, Epochs)) and magnitude(validate_time(frequency, "frequency")):
        return frequency
    raise ValueError(
        "`frequency` must be a positive number of optimizer updates, or `kerasopt.epochs(n)`. "
        f"Received: frequency={frequency!r}"
    )


def finite(value: float, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, numbers.Real) or not math.isfinite(value):
        raise ValueError(f"`{name}` must be a finite number. Received: {name}={value!r}")
    return float(value)


SCHEDULES = Choices("schedule", Schedule)
