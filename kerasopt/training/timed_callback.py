"""The base class of callbacks that update a technique's state by the clock."""

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
from kerasopt.training.model_state import build_for_step, strategy_scope
from kerasopt.training.rankings import warn_of_rankings
from kerasopt.training.run import Run
from kerasopt.warning import warn


class TimedCallback(CopiedUnused, abc.ABC):
    """Attaches a technique to a model during `fit`, and updates its state by the clock.

    The base class of `Pruning`, `QuantizationAware` and `Compression`, and of custom callbacks: a
    subclass stores the arguments and implements `make_run`, which returns a new
    `kerasopt.training.Run` for every `fit`.

    Attaching happens in `set_model`, before anything is restored and before the train function is
    traced; if the first batch builds the model, just before the first step. If any callback of the
    `fit` fails before the first epoch, all of them are detached and the model is restored. Two
    callbacks of one `fit` must not govern the same parametrizations.

    The clock counts optimizer updates. It is read only when enough batches have run to reach the
    next due update.

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
        run: The `Run` of the last `fit` with this callback.
    """

    run: Run
    is_running = False

    @abc.abstractmethod
    def make_run(self) -> Run:
        """Returns a new, unattached run of the technique."""

    @property
    def stage(self) -> int | None:
        """The stage of compression: 0 not begun, 1 in progress, 2 complete; `None`: it has none."""
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
            if self.run.is_timed and not Clock.exists(model):
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
        begins, self.is_running = not self.is_running, True
        if begins:
            keep_attached(model_of(self))
        if self.run.is_timed:
            self._continue_clock(epoch, begins)
        self.run.on_epoch_begin(epoch)

    def _continue_clock(self, epoch: int, begins: bool):
        model, run = self.model, self.run
        clock = Clock.of(model)
        if begins:
            clock.start(epoch, run.horizon)
            run.on_update(clock.update, run.horizon)
            self._due = run.next_due(clock.update, run.horizon)
        clock.mark()
        self._read_clock(batch=-1)

    def on_train_batch_begin(self, batch: int, logs=None):
        if not self._has_stepped:
            self._has_stepped = True
            if keras.config.backend() == "jax":
                keep_jax_state(model_of(self))
            else:
                build_for_step(model_of(self))

    def on_train_batch_end(self, batch: int, logs=None):
        if batch >= self._next_reading:
            self._read_clock(batch)

    def on_epoch_end(self, epoch: int, logs=None):
        self.run.on_epoch_end(logs)

    def on_train_end(self, logs=None):
        model, run = self.model, self.run
        run.end()
        if run.is_timed:
            self._end_clock(model)
        run.attachments.end()
        self.is_running = False
        run.finish()

    def _end_clock(self, model: keras.Model):
        clock = Clock.of(model)
        clock.mark()
        update = clock.update
        if self.is_running and not update:
            self._warn_without_updates(model)
        self.run.on_update(self._last_update(update, model), self.run.horizon)

    def _last_update(self, update: int, model: keras.Model) -> int:
        """Returns the update at which a finished training counts as ended.

        If it was not stopped, this is its last update, even if loss scaling skipped steps or data
        ran short.
        """
        if not update or model.stop_training:
            return update
        return max(update, self.run.horizon.total or 0)

    def _warn_without_updates(self, model: keras.Model):
        warn(
            f"The optimizer that '{model.name}' was compiled with has made no update, so the "
            f"schedule of {type(self).__name__} has not advanced. Use `self.optimizer` in "
            "`train_step` (pass it to `compile`, or assign it). If it is used, all layers are "
            "frozen (`trainable=False`), or every gradient was infinite or NaN.",
        )

    def _read_clock(self, batch: int):
        """Updates the state if it is due, and sets the batch of the next reading."""
        self._next_reading = math.inf
        if self._due is None:
            return
        model, run = self.model, self.run
        update = Clock.of(model).update
        if update >= self._due:
            run.on_update(update, run.horizon)
            self._due = run.next_due(update, run.horizon)
        if self._due is not None:
            # Some batches of the next update may already have been accumulated.
            batches = (self._due - update - 1) * accumulation_steps(model) + 1
            self._next_reading = batch + batches

    def _detach(self):
        self.run.detach()

    def _remove_clock(self):
        Clock.remove(self.model)
