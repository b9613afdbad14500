"""What a technique does in one training."""

import keras

from kerasopt.parametrization import Attachments
from kerasopt.schedules.times import Horizon
from kerasopt.training.clock import Clock


class Run:
    """What a technique does to a model in one `fit`: attached, moved by the clock, taken off.

    A subclass overrides what it needs. `kerasopt.callbacks.TimedCallback` makes a run for every
    `fit` and calls its methods; times are optimizer updates since the training began.

    Attributes:
        attachments: The `kerasopt.parametrization.Attachments` through which `attach` puts links
            on the model.
        horizon: The `kerasopt.schedules.Horizon` of the training, known from `check` on.
    """

    attachments: Attachments
    horizon = Horizon()

    @property
    def model(self) -> keras.Model:
        """The model that trains; on JAX, asking for it brings its variables up to date."""
        model = self.attachments.model
        if keras.config.backend() == "jax":
            model.jax_state_sync()
        return model

    def attach(self, model: keras.Model) -> None:
        """Puts the technique on `model`."""

    def detach(self) -> None:
        """Undoes what `attach` has done in this `fit`, also if it failed half-way."""
        self.attachments.undo()

    def check(self, horizon: Horizon) -> None:
        """Raises or warns, before training, if the arguments make no sense in it."""

    def span(self, horizon: Horizon) -> tuple[int, int]:
        """The update at which compression begins, and the one at which it is complete."""
        return 0, 0

    def next_due(self, update: int, horizon: Horizon) -> int | None:
        """The first update after `update` at which the state changes; `None` if it does not."""

    def on_update(self, update: int, horizon: Horizon) -> None:
        """Brings the state to what it has to be at `update`.

        Called when the state is due, maybe some updates late (`steps_per_execution`), and once at
        the beginning and the end of every `fit`; called twice it must change nothing the second
        time.
        """

    def on_epoch_begin(self, epoch: int) -> None:
        """Called when an epoch begins, after the state was brought to its beginning."""

    def on_epoch_end(self, logs: dict | None) -> None:
        """Called when an epoch ends, with its metrics."""

    def end(self) -> None:
        """Called when training ends, before the last `on_update`."""

    def finish(self) -> None:
        """Called at the very end, when what was there for the training only is off the model."""

    @property
    def stage(self) -> int:
        """How far compression has come: 0 not begun, 1 on the way, 2 complete."""
        update = Clock.of(self.model).update
        return sum(update >= moment for moment in self.span(self.horizon))
