"""The work of a technique in one training."""

import keras

from kerasopt.parametrization import Attachments
from kerasopt.schedules.times import Horizon
from kerasopt.training.clock import Clock


class Run:
    """The work of a technique in one `fit`: attach, update by the clock, detach.

    A subclass overrides the methods that it needs. `kerasopt.callbacks.TimedCallback` creates a run
    for every `fit` and calls its methods; times are optimizer updates since the training began.

    Attributes:
        attachments: The `kerasopt.parametrization.Attachments` with which `attach` adds links to
            the model.
        horizon: The `kerasopt.schedules.Horizon` of the training, set before `check`.
        is_timed: Boolean, whether its state follows the clock. If not, `on_update` is not called.
    """

    attachments: Attachments
    horizon = Horizon()
    is_timed = True

    @property
    def model(self) -> keras.Model:
        """The model; on JAX, accessing it updates its variables."""
        model = self.attachments.model
        if keras.config.backend() == "jax":
            model.jax_state_sync()
        return model

    def attach(self, model: keras.Model) -> None:
        """Attaches the technique to `model`."""

    def detach(self) -> None:
        """Undoes `attach` in this `fit`, also if it failed half-way."""
        self.attachments.undo()

    def check(self, horizon: Horizon) -> None:
        """Raises or warns, before training, if the arguments do not suit it."""

    def span(self, horizon: Horizon) -> tuple[int, int]:
        """The updates at which compression begins and at which it is complete."""
        return 0, 0

    def next_due(self, update: int, horizon: Horizon) -> int | None:
        """The first update after `update` at which the state changes; `None` if it does not."""

    def on_update(self, update: int, horizon: Horizon) -> None:
        """Sets the state to that of `update`.

        Called when the state is due, possibly some updates late (`steps_per_execution`), and once
        at the beginning and the end of every `fit`. A second call must change nothing.
        """

    def on_epoch_begin(self, epoch: int) -> None:
        """Called when an epoch begins, after `on_update`."""

    def on_epoch_end(self, logs: dict | None) -> None:
        """Called when an epoch ends, with its metrics."""

    def end(self) -> None:
        """Called when training ends, before the last `on_update`."""

    def finish(self) -> None:
        """Called last, after everything temporary has been removed from the model."""

    @property
    def stage(self) -> int | None:
        """The stage of compression: 0 not begun, 1 in progress, 2 complete; `None`: it has none."""
        update = Clock.of(self.model).update
        return sum(update >= moment for moment in self.span(self.horizon))
