"""Gradual schedules."""

import math

from kerasopt.schedules.schedule import SCHEDULES, Schedule, finite
from kerasopt.schedules.times import Epochs, Time


@SCHEDULES.register("polynomial_decay")
class PolynomialDecay(Schedule):
    """Fast at first, slow towards the end: the schedule of gradual pruning.

    With `p = (update - begin) / (end - begin)` the value is

        final + (initial - final) * (1 - p) ** power

    which is equation 1 of Zhu and Gupta, "To prune, or not to prune" (2017,
    https://arxiv.org/abs/1710.01878), for `power=3`. It equals
    `tfmot.sparsity.keras.PolynomialDecay` up to float32 rounding, but `end` is always due, also if
    it is not a multiple of `frequency` after `begin`.

    ```python
    schedule = ko.schedules.PolynomialDecay(0.0, 0.8, begin="10%", end="60%")
    model.fit(x, y, epochs=10, callbacks=[ko.callbacks.Pruning(schedule)])
    ```

    Args:
        initial: Value until `begin`, a float.
        final: Value from `end` on, a float.
        begin: Time of the first application.
        end: Time of the last application, at which `final` is reached.
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
        frequency: int | Epochs | None = None,
    ):
        super().__init__(initial, final, begin, end, frequency)
        self.power = finite(power, "power")
        if self.power <= 0:
            raise ValueError(f"`power` must be positive. Received: power={power!r}")

    def curve(self, progress: float) -> float:
        return 1 - (1 - progress) ** self.power

    def get_config(self) -> dict:
        return {**super().get_config(), "power": self.power}


@SCHEDULES.register("linear")
class Linear(Schedule):
    """Linear from `initial` to `final`. Arguments as in `PolynomialDecay`.

    ```python
    ko.schedules.Linear(0.0, 0.8, begin=0, end=100)(50)  # 0.4
    ```
    """


@SCHEDULES.register("cosine")
class Cosine(Schedule):
    """Half a cosine: slow at both ends, steepest in the middle.

    The completed share is `(1 - cos(pi * p)) / 2` (Loshchilov and Hutter, "SGDR", 2017,
    https://arxiv.org/abs/1608.03983, without restarts). Arguments as in `PolynomialDecay`.

    ```python
    schedule = ko.schedules.Cosine(0.0, 0.8, begin=0, end=100)
    schedule(25), schedule(50), schedule(100)  # 0.117, 0.4, 0.8
    ```
    """

    def curve(self, progress: float) -> float:
        return (1 - math.cos(math.pi * progress)) / 2
