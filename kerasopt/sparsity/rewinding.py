"""Rewinding: after each round of pruning the weights go back to an earlier moment."""

import re

import keras

from kerasopt.schedules import Iterative, OneShot, Schedule
from kerasopt.schedules.times import Horizon, Time, epochs, resolve, validate_time
from kerasopt.sparsity.hidden_values import stored_under_masks
from kerasopt.sparsity.masked_weight import MaskedWeight
from kerasopt.training.snapshot import Snapshot

_EPOCH = re.compile(r"epoch (\d+)")


def rewinding_time(rewind: Time | str) -> Time:
    """Returns the time to which `"init"`, `"epoch k"` or a time goes back."""
    if rewind == "init":
        return 0
    match = _EPOCH.fullmatch(rewind) if isinstance(rewind, str) else None
    return epochs(int(match[1])) if match else validate_time(rewind, "rewind")


class Rewinding:
    """Takes the training back to an earlier moment.

    Weights, statistics of batch normalization, momentum and the iterations of
    the optimizer, by which learning rate schedules go, become what they were;
    masks stay.

    Args:
        rewind: `"init"`, `"epoch k"` or a time.
        schedule: The `Schedule` after whose applications the training goes back.

    Raises:
        ValueError: If `rewind` is no time, or `schedule` one without rounds.
    """

    def __init__(self, rewind: Time | str, schedule: Schedule):
        self.time = rewinding_time(rewind)
        self._rewind = rewind
        if not isinstance(schedule, (Iterative, OneShot)):
            raise ValueError(
                "`rewind` goes back after every round of pruning, so the schedule must have "
                "rounds: pass `kerasopt.schedules.Iterative` or `OneShot`. "
                f"Received: rewind={rewind!r}, schedule={schedule}"
            )
        self._schedule = schedule

    def attach(self, model: keras.Model):
        """Makes room for the values of that moment, in the model."""
        self._model = model
        self._snapshot = Snapshot.of(model, "rewind")

    def detach(self):
        """Gives the room back."""
        self._snapshot.remove()

    @property
    def copies(self) -> list[keras.Variable]:
        """The variables that hold these values."""
        return self._snapshot.copies

    def check(self, horizon: Horizon):
        """Raises `ValueError` if the first round comes before the moment to go back to."""
        begin, _ = self._schedule.span(horizon)
        if resolve(self.time, horizon, "rewind") > begin:
            raise ValueError(
                "A training cannot go back to a moment after the first round of pruning, which is "
                f"at update {begin}. Received: rewind={self._rewind!r}"
            )

    def next_due(self, update: int, horizon: Horizon) -> int | None:
        """The update at which the moment comes."""
        moment = resolve(self.time, horizon, "rewind")
        return moment if moment > update else None

    def remember(self, update: int, horizon: Horizon):
        """Keeps the values of the moment, once it has come in this training."""
        moment = resolve(self.time, horizon, "rewind")
        if update < moment:
            self._snapshot.forget()
        elif update == 0 or not self._snapshot.is_taken:
            self._snapshot.take()

    def restore(self, weights: list[MaskedWeight]):
        """Goes back, but for what is pruned since then: that is zero, in files too."""
        self._snapshot.hide(stored_under_masks(self._model, weights))
        self._snapshot.restore()
