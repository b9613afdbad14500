"""How much, when: pure functions of the optimizer update and the training's horizon.

A schedule gives a value at every update, and says at which updates that value is *due* to be
applied, so that a costly change of state (a new mask) does not happen in every step.
"""

import math
import numbers
import warnings

import keras

from kerasopt.times import Horizon, Time, magnitude, resolve, validate_time


class Schedule:
    """A value over the course of a training: base of all schedules.

    A schedule is a pure function: `schedule(update, horizon)` is the value at an optimizer update,
    before which `update` updates have been done. It goes from `initial` to `final` between `begin`
    and `end`, and is due to be applied at `begin`, at every `frequency`-th update after it, and at
    `end` always. The way is a straight line, unless a subclass overrides `curve`.

    Args:
        initial: Value until `begin`, a float.
        final: Value from `end` on, a float.
        begin: Time of the first application.
        end: Time of the last one, at which `final` is reached.
        frequency: Updates between two applications. `None` means a hundredth of the way from
            `begin` to `end`, rounded up, so every update in a short run. (With a fixed number,
            100 in tfmot, short runs silently never prune: tensorflow/model-optimization#973.)

    Raises:
        ValueError: If a value is not finite, a time malformed, `begin` after `end`, or `frequency`
            not positive.
    """

    def __init__(
        self,
        initial: float,
        final: float,
        begin: Time = "0%",
        end: Time = "100%",
        frequency: int | None = None,
    ):
        self.initial = _finite(initial, "initial")
        self.final = _finite(final, "final")
        self.begin = validate_time(begin, "begin")
        self.end = validate_time(end, "end")
        self.frequency = frequency
        if frequency is not None and (not isinstance(frequency, int) or frequency < 1):
            raise ValueError(
                "`frequency` must be a positive number of optimizer updates. "
                f"Received: frequency={frequency!r}"
            )
        if type(self.begin) is type(self.end) and magnitude(self.begin) > magnitude(self.end):
            raise ValueError(_BEGIN_AFTER_END.format(begin=begin, end=end))

    def curve(self, progress: float) -> float:
        """The share of the way from `initial` to `final` that is done; `progress` is in [0, 1]."""
        return progress

    def __call__(self, update: int, horizon: Horizon) -> float:
        begin, end = self.span(horizon)
        if update >= end:
            return self.final
        if update <= begin:
            return self.initial
        done = self.curve((update - begin) / (end - begin))
        return self.initial + (self.final - self.initial) * done

    def span(self, horizon: Horizon) -> tuple[int, int]:
        """The updates of the first and the last application.

        Raises:
            ValueError: If `begin` comes after `end`, or a relative time meets an unknown length.
        """
        begin = resolve(self.begin, horizon, "begin")
        end = resolve(self.end, horizon, "end")
        if begin > end:
            raise ValueError(_BEGIN_AFTER_END.format(begin=self.begin, end=self.end))
        return begin, end

    def next_due(self, update: int, horizon: Horizon) -> int | None:
        """The first update strictly after `update` at which the value is to be applied."""
        begin, end = self.span(horizon)
        if update < begin:
            return begin
        if update >= end:
            return None
        step = self._step(begin, end)
        return min(end, begin + ((update - begin) // step + 1) * step)

    def last_due(self, update: int, horizon: Horizon) -> int | None:
        """The last update up to and with `update` at which the value was to be applied.

        What is in force at `update` is `schedule(schedule.last_due(update, horizon), horizon)`:
        after a resume between two applications this, and not the value at `update`, is what the
        uninterrupted run has.
        """
        begin, end = self.span(horizon)
        if update < begin:
            return None
        if update >= end:
            return end
        step = self._step(begin, end)
        return begin + (update - begin) // step * step

    def check(self, horizon: Horizon):
        """Raises if the times make no sense in this training, warns if it is too short for them."""
        begin, end = self.span(horizon)
        total = math.inf if horizon.total is None else horizon.total
        if end > total or begin >= total:
            warnings.warn(
                f"{type(self).__name__} cannot finish in the updates at hand: it begins at update "
                f"{begin} and ends at update {end}, but this training has {total} optimizer"
                " updates. Train longer, or pass an earlier `begin` and `end`. "
                f"Received: begin={self.begin!r}, end={self.end!r}",
                stacklevel=2,
            )

    def _step(self, begin: int, end: int) -> int:
        return self.frequency or max(1, math.ceil((end - begin) / 100))

    def get_config(self) -> dict:
        return {
            "initial": self.initial,
            "final": self.final,
            "begin": keras.saving.serialize_keras_object(self.begin),
            "end": keras.saving.serialize_keras_object(self.end),
            "frequency": self.frequency,
        }

    @classmethod
    def from_config(cls, config: dict) -> "Schedule":
        times = {
            name: keras.saving.deserialize_keras_object(config[name])
            for name in ("begin", "end")
            if name in config
        }
        return cls(**{**config, **times})

    def __repr__(self):
        arguments = ", ".join(f"{name}={value!r}" for name, value in self.get_config().items())
        return f"{type(self).__name__}({arguments})"


@keras.saving.register_keras_serializable(package="kerasopt")
class Constant(Schedule):
    """The same value throughout, due once, at the beginning.

    Args:
        value: The value, a float.
    """

    def __init__(self, value: float):
        super().__init__(value, value, begin=0, end=0)

    def get_config(self) -> dict:
        return {"value": self.final}


@keras.saving.register_keras_serializable(package="kerasopt")
class OneShot(Schedule):
    """Zero at first, and the whole value at once at `begin`.

    Args:
        value: Value from `begin` on, a float.
        begin: Time of the only application.
    """

    def __init__(self, value: float, begin: Time = "0%"):
        super().__init__(0.0, value, begin=begin, end=begin)

    def get_config(self) -> dict:
        return {"value": self.final, "begin": keras.saving.serialize_keras_object(self.begin)}


@keras.saving.register_keras_serializable(package="kerasopt")
class PolynomialDecay(Schedule):
    """Fast at first, slow towards the end: the schedule of gradual pruning.

    With `p = (update - begin) / (end - begin)` the value is

        final + (initial - final) * (1 - p) ** power

    which is equation 1 of Zhu and Gupta, "To prune, or not to prune" (2017,
    https://arxiv.org/abs/1710.01878), for `power=3`. It equals
    `tfmot.sparsity.keras.PolynomialDecay`, up to the rounding of the float32 that tfmot computes
    in; `end` is due here also when it is no multiple of `frequency` after `begin`.

    ```python
    schedule = ko.schedules.PolynomialDecay(0.0, 0.8, begin="10%", end="60%")
    model.fit(x, y, epochs=10, callbacks=[ko.callbacks.Pruning(schedule)])
    ```

    Args:
        initial: Value until `begin`, a float.
        final: Value from `end` on, a float.
        begin: Time of the first application.
        end: Time of the last one, at which `final` is reached.
        power: Exponent, a positive float.
        frequency: Updates between two applications; see `Schedule`.
    """

    def __init__(
        self,
        initial: float,
        final: float,
        begin: Time = "0%",
        end: Time = "100%",
        power: float = 3.0,
        frequency: int | None = None,
    ):
        super().__init__(initial, final, begin, end, frequency)
        self.power = _finite(power, "power")
        if self.power <= 0:
            raise ValueError(f"`power` must be positive. Received: power={power!r}")

    def curve(self, progress: float) -> float:
        return 1 - (1 - progress) ** self.power

    def get_config(self) -> dict:
        return {**super().get_config(), "power": self.power}


@keras.saving.register_keras_serializable(package="kerasopt")
class Linear(Schedule):
    """From `initial` to `final` in a straight line. Arguments as in `PolynomialDecay`."""


@keras.saving.register_keras_serializable(package="kerasopt")
class Cosine(Schedule):
    """Half a cosine: slow at both ends, steepest in the middle.

    The share done is `(1 - cos(pi * p)) / 2` (Loshchilov and Hutter, "SGDR", 2017,
    https://arxiv.org/abs/1608.03983, without restarts). Arguments as in `PolynomialDecay`.
    """

    def curve(self, progress: float) -> float:
        return (1 - math.cos(math.pi * progress)) / 2


ALIASES: dict[str, type[Schedule]] = {
    "constant": Constant,
    "one_shot": OneShot,
    "polynomial_decay": PolynomialDecay,
    "linear": Linear,
    "cosine": Cosine,
}

_BEGIN_AFTER_END = "`begin` must not come after `end`. Received: begin={begin!r}, end={end!r}"


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


def _finite(value: float, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, numbers.Real) or not math.isfinite(value):
        raise ValueError(f"`{name}` must be a finite number. Received: {name}={value!r}")
    return float(value)
