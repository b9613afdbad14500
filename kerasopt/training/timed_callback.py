"""The base of the callbacks that move a technique's state by the clock."""

import abc
import math

import keras

from kerasopt.keras_internals.callbacks import model_of
from kerasopt.keras_internals.training import keep_jax_state
from kerasopt.parametrization import Attachments
from kerasopt.training.attaching import (
    attached,
    forbid_overlap,
    keep_attached,
    require_backend,
    undo_later,
    undo_on_failure,
)
from kerasopt.training.clock import Clock, accumulation_steps, horizon, require_optimizer
from kerasopt.training.copying import CopiedUnused
from kerasopt.training.first_batch import is_told_later
from kerasopt.training.model_state import strategy_scope
from kerasopt.training.rankings import warn_of_rankings
from kerasopt.training.run import Run
from kerasopt.warning import warn


class TimedCallback(CopiedUnused, abc.ABC):
    """Attaches a technique to the model that `fit` trains, and moves its state by the clock.

    The base of `Pruning`, `QuantizationAware` and `Compression`, and of callbacks of your own: a
    subclass keeps the arguments and implements `make_run`. What the technique does in one training
    is a `kerasopt.training.Run`, which is made anew for every `fit`.

    Attaching happens in `set_model`, so before anything is restored and before the train function
    is traced; of a model that its first batch builds, just before its first step. If any callback
    of the `fit` fails before the first epoch, all of them are detached again, and the model is as
    it was. Two callbacks of one `fit` may not move the same parametrizations.

    The clock, which counts optimizer updates, is read only when enough batches have run for the
    next due update to be reached.

    Example:

    ```python
    class HalfLimit(ko.training.Run):
        def attach(self, model):
            for layer in model.layers:
                ...  # self.attachments.put(path, layer, "kernel", link)

        def next_due(self, update, horizon):
            half = horizon.total // 2
            return half if update < half else None

        def on_update(self, update, horizon):
            ...  # bring the state of the links to what it has to be


    class Limit(ko.callbacks.TimedCallback):
        def make_run(self):
            return HalfLimit()


    model.fit(x, y, callbacks=[Limit()])
    ```

    Attributes:
        run: The `Run` of the `fit` that this callback was in last.
    """

    run: Run
    is_running = False

    @abc.abstractmethod
    def make_run(self) -> Run:
        """Returns a new run of the technique, not attached yet."""

    @property
    def stage(self) -> int:
        """How far compression has come: 0 not begun, 1 on the way, 2 complete."""
        return self.run.stage

    def set_model(self, model: keras.Model):
        super().set_model(model)
        if is_told_later(self, model):
            return
        self.is_running = self._has_stepped = False
        self._due: int | None = None
        self._next_reading = math.inf
        self.run = self.make_run()
        self.run.attachments = Attachments(model)
        with undo_on_failure(model):
            require_backend()
            require_optimizer(model)
            if not Clock.exists(model):
                undo_later(model, self._remove_clock)
                Clock.of(model)
            undo_later(model, self._detach)
            with strategy_scope(model):
                self.run.attach(model)
            forbid_overlap(self)
            self.run.attachments.finish()

    def set_params(self, params: dict):
        super().set_params(params)
        model, run = self.model, self.run
        with undo_on_failure(model):
            run.horizon = horizon(params, model)
            run.check(run.horizon)
            others = attached(model)
            if others[0] is self and any(other.run.span(run.horizon)[1] > 0 for other in others):
                warn_of_rankings()

    def on_epoch_begin(self, epoch: int, logs=None):
        model, run = self.model, self.run
        clock = Clock.of(model)
        if not self.is_running:
            self.is_running = True
            keep_attached(model)
            clock.start(epoch, run.horizon)
            run.on_update(clock.update, run.horizon)
            self._due = run.next_due(clock.update, run.horizon)
        clock.mark()
        self._read_clock(batch=-1)
        run.on_epoch_begin(epoch)

    def on_train_batch_begin(self, batch: int, logs=None):
        if not self._has_stepped and keras.config.backend() == "jax":
            keep_jax_state(model_of(self))
        self._has_stepped = True

    def on_train_batch_end(self, batch: int, logs=None):
        if batch >= self._next_reading:
            self._read_clock(batch)

    def on_epoch_end(self, epoch: int, logs=None):
        self.run.on_epoch_end(logs)

    def on_train_end(self, logs=None):
        model, run = self.model, self.run
        clock = Clock.of(model)
        run.end()
        clock.mark()
        update = clock.update
        if self.is_running and not update:
            self._warn_without_updates(model)
        run.on_update(self._last_update(update, model), run.horizon)
        run.attachments.end()
        self.is_running = False
        run.finish()

    def _last_update(self, update: int, model: keras.Model) -> int:
        """The moment of a training that has ended.

        One that was not stopped has come to its end, though steps that loss scaling has skipped,
        and data that ran short, were no updates.
        """
        if not update or model.stop_training:
            return update
        return max(update, self.run.horizon.total or 0)

    def _warn_without_updates(self, model: keras.Model):
        warn(
            f"The optimizer that '{model.name}' was compiled with has made no update, and "
            f"{type(self).__name__} counts time in them, so it still is where its schedule "
            "begins. Let `train_step` use `self.optimizer` (pass it to `compile`, or assign it). "
            "If it does, nothing of the model trains (`trainable=False`), or every gradient of "
            "this training was infinite or NaN.",
        )

    def _read_clock(self, batch: int):
        """Acts if the state is due, and says before which batch the clock need not be read."""
        self._next_reading = math.inf
        if self._due is None:
            return
        model, run = self.model, self.run
        update = Clock.of(model).update
        if update >= self._due:
            run.on_update(update, run.horizon)
            self._due = run.next_due(update, run.horizon)
        if self._due is not None:
            # Some batches of the coming update may have been accumulated already.
            batches = (self._due - update - 1) * accumulation_steps(model) + 1
            self._next_reading = batch + batches

    def _detach(self):
        self.run.detach()

    def _remove_clock(self):
        Clock.remove(self.model)
