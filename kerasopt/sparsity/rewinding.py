"""Rewinding: after each round of pruning the weights are reset to an earlier state."""

import re

import keras

from kerasopt.schedules import Iterative, OneShot, Schedule
from kerasopt.schedules.times import Horizon, Time, epochs, resolve, validate_time
from kerasopt.sparsity.hidden_values import stored_under_masks
from kerasopt.sparsity.masked_weight import MaskedWeight
from kerasopt.training.snapshot import Snapshot

_EPOCH = re.compile(r"epoch (\d+)")


def rewinding_time(rewind: Time | str) -> Time:
    """Returns the time that `"init"`, `"epoch k"` or a time stands for."""
    if rewind == "init":
        return 0
    match = _EPOCH.fullmatch(rewind) if isinstance(rewind, str) else None
    return epochs(int(match[1])) if match else validate_time(rewind, "rewind")


class Rewinding:
    """Rewinds the training to an earlier state.

    Weights, batch normalization statistics, momentum and the iterations of the
    optimizer (which learning rate schedules depend on) are restored; masks are
    not.

    Args:
        rewind: `"init"`, `"epoch k"` or a time.
        schedule: The `Schedule`; the training rewinds after each of its rounds.

    Raises:
        ValueError: If `rewind` is not a time, or `schedule` has no rounds.
    """

    def __init__(self, rewind: Time | str, schedule: Schedule):
        self.time = rewinding_time(rewind)
        self._rewind = rewind
        if not isinstance(schedule, (Iterative, OneShot)):
            raise ValueError(
                "`rewind` takes effect after every round of pruning, so the schedule must have "
                "rounds: pass `kerasopt.schedules.Iterative` or `OneShot`. Received: "
                f"rewind={rewind!r}, schedule={schedule}"
            )
        self._schedule = schedule

    def attach(self, model: keras.Model):
        """Creates variables for that state, in the model."""
        self._model = model
        self._snapshot = Snapshot.of(model, "rewind")

    def detach(self):
        """Removes these variables."""
        self._snapshot.remove()

    @property
    def copies(self) -> list[keras.Variable]:
        """The variables that hold that state."""
        return self._snapshot.copies

    def check(self, horizon: Horizon):
        """Raises `ValueError` if the first round comes before the state to rewind to."""
        begin, _ = self._schedule.span(horizon)
        if resolve(self.time, horizon, "rewind") > begin:
            raise ValueError(
                "`rewind` must not be later than the first round of pruning, which is at update "
                f"{begin}. Received: rewind={self._rewind!r}"
            )

    def next_due(self, update: int, horizon: Horizon) -> int | None:
        """The update at which the state is to be saved."""
        moment = resolve(self.time, horizon, "rewind")
        return moment if moment > update else None

    def remember(self, update: int, horizon: Horizon):
        """Saves the state, once its time has come in this training."""
        moment = resolve(self.time, horizon, "rewind")
        if update < moment:
            self._snapshot.forget()
        elif update == 0 or not self._snapshot.is_taken:
            self._snapshot.take()

    def restore(self, weights: list[MaskedWeight]):
        """Restores the state, except for weights pruned since: they are zero, in files too."""
        self._snapshot.hide(stored_under_masks(self._model, weights))
        self._snapshot.restore()
