"""Step schedules."""

import bisect

import keras

from kerasopt.schedules.schedule import SCHEDULES, UNKNOWN, Schedule
from kerasopt.schedules.times import Horizon, Time
from kerasopt.warning import warn


@SCHEDULES.register("constant")
class Constant(Schedule):
    """A constant value, due once, at the beginning.

    ```python
    ko.schedules.Constant(0.5)(update=0)  # 0.5
    ```

    Args:
        value: The value, a float.
    """

    def __init__(self, value: float):
        super().__init__(value, value, begin=0, end=0)

    def get_config(self) -> dict:
        return {"value": self.final}


@SCHEDULES.register("one_shot")
class OneShot(Schedule):
    """Zero before `begin`, and the full value from `begin` on.

    ```python
    schedule = ko.schedules.OneShot(0.5, begin=100)
    schedule(99), schedule(100)  # 0.0, 0.5
    ```

    Args:
        value: Value from `begin` on, a float.
        begin: Time of the only application.
    """

    def __init__(self, value: float, begin: Time = "0%"):
        super().__init__(0.0, value, begin=begin, end=begin)

    def get_config(self) -> dict:
        return {"value": self.final, "begin": keras.saving.serialize_keras_object(self.begin)}


@SCHEDULES.register("iterative")
class Iterative(Schedule):
    """Rounds of pruning with training in between, each pruning the same share of the rest.

    After round `r` of `rounds` the value is

        1 - (1 - final) ** (r / rounds)

    so that a sparsity of 0.8 in 8 rounds prunes 18 % of the remaining weights in each round (the
    lottery tickets of Frankle and Carbin, 2019, https://arxiv.org/abs/1803.03635, prune 20 %, which
    is 0.832 in 8 rounds). The rounds are evenly spaced from `begin` to `end`. The
    callback decides whether weights are reset after a round (rewinding) or train on (fine-tuning);
    Renda et al. (2020, https://arxiv.org/abs/2003.02389) compare both.

    ```python
    schedule = ko.schedules.Iterative(0.8, rounds=8, begin="10%", end="80%")
    model.fit(x, y, epochs=20, callbacks=[ko.callbacks.Pruning(schedule)])
    ```

    Args:
        final: Value after the last round, a float in [0, 1).
        rounds: Number of rounds, a positive integer. A single round is at `begin`, and `end` is
            ignored.
        begin: Time of the first round.
        end: Time of the last round.

    Raises:
        ValueError: If `final` or `rounds` is outside its range, a time is malformed, or `begin` is
            after `end`.
    """

    def __init__(self, final: float, rounds: int, begin: Time = "20%", end: Time = "80%"):
        if isinstance(rounds, bool) or not isinstance(rounds, int) or rounds < 1:
            raise ValueError(f"`rounds` must be a positive integer. Received: rounds={rounds!r}")
        super().__init__(0.0, final, begin, begin if rounds == 1 else end)
        if not 0 <= self.final < 1:
            raise ValueError(f"`final` must be a share in [0, 1). Received: final={final!r}")
        self.rounds = rounds

    def __call__(self, update: int, horizon: Horizon = UNKNOWN) -> float:
        done = bisect.bisect_right(self._moments(horizon), update)
        if done == self.rounds:
            return self.final  # the formula would round
        return 1 - (1 - self.final) ** (done / self.rounds)

    def next_due(self, update: int, horizon: Horizon = UNKNOWN) -> int | None:
        moments = self._moments(horizon)
        done = bisect.bisect_right(moments, update)
        return moments[done] if done < self.rounds else None

    def last_due(self, update: int, horizon: Horizon = UNKNOWN) -> int | None:
        moments = self._moments(horizon)
        done = bisect.bisect_right(moments, update)
        return moments[done - 1] if done else None

    def check(self, horizon: Horizon):
        super().check(horizon)
        moments = self._moments(horizon)
        if len(set(moments)) < self.rounds:
            warn(
                f"{self.rounds} rounds do not fit between the updates {moments[0]} and "
                f"{moments[-1]}: some coincide. Train longer, or pass fewer `rounds`. Received: "
                f"rounds={self.rounds}, begin={self.begin!r}, end={self.end!r}",
            )

    def _moments(self, horizon: Horizon) -> list[int]:
        """The updates at which the rounds are due, in ascending order."""
        begin, end = self.span(horizon)
        intervals = max(1, self.rounds - 1)
        return [begin + i * (end - begin) // intervals for i in range(self.rounds)]

    def get_config(self) -> dict:
        config = super().get_config()
        return {"rounds": self.rounds} | {name: config[name] for name in ("final", "begin", "end")}
