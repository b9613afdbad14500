"""The base of the callbacks that move a technique's state by the clock."""

import contextlib
import math
import weakref
from collections.abc import Callable, Iterator

import keras

from kerasopt.parametrization import Attachments
from kerasopt.schedules.times import Horizon
from kerasopt.training.clock import Clock, accumulation_steps, horizon, require_optimizer
from kerasopt.training.copying import CopiedUnused
from kerasopt.training.first_batch import is_told_later
from kerasopt.training.model_state import strategy_scope
from kerasopt.training.rankings import warn_of_rankings
from kerasopt.warning import warn

# Per model: which `fit` it is, and the bound methods to call if that fails before it begins.
_UNDO: weakref.WeakKeyDictionary[keras.Model, tuple[Callable, list[weakref.WeakMethod]]] = (
    weakref.WeakKeyDictionary()
)

_RUNNING: weakref.WeakKeyDictionary[keras.Model, list[weakref.ref]] = weakref.WeakKeyDictionary()


class TimedCallback(CopiedUnused):
    """Attaches a technique to a model and moves its state when its schedule says so.

    A subclass implements these:

    - `attach(model)` puts the technique on the model, through `self.attachments`. Two callbacks of
      one `fit` may not move the same parametrizations.
    - `detach()` undoes what `attach` has done in this `fit`, also if it failed half-way: what was
      put into `attachments`, and whatever else a subclass adds.
    - `check(horizon)` raises or warns before training, if the arguments make no sense in it.
    - `span(horizon)` says when compression begins and when it is complete.
    - `next_due(update, horizon)` is the next update at which the state changes, or `None`.
    - `on_update(update, horizon)` brings the state to what it has to be at `update`. It is called
      when the state is due, maybe some updates late (`steps_per_execution`), and once at the
      beginning and the end of every `fit`; called twice it must change nothing the second time.

    Attaching happens in `set_model`, so before anything is restored and before the train function
    is traced; of a model that its first batch builds, just before its first step. If any callback
    of the `fit` fails before the first epoch, all of them are detached again, and the model is as
    it was.

    The clock is read only when enough batches have run for the next due update to be reached.
    """

    def attach(self, model: keras.Model):
        """Puts the technique on `model`."""

    def detach(self):
        """Undoes what `attach` has done in this `fit`."""
        self.attachments.undo()

    def check(self, horizon: Horizon):
        """Raises or warns if the arguments make no sense in this training."""

    def span(self, horizon: Horizon) -> tuple[int, int]:
        """The update at which compression begins, and the one at which it is complete."""
        return 0, 0

    def next_due(self, update: int, horizon: Horizon) -> int | None:
        """The first update after `update` at which the state changes; `None` if it does not."""

    def on_update(self, update: int, horizon: Horizon):
        """Brings the state to what it has to be at `update`."""

    @property
    def stage(self) -> int:
        """How far compression has come: 0 not begun, 1 on the way, 2 complete."""
        update = Clock.of(self.model).update
        return sum(update >= moment for moment in self.span(self.horizon))

    def set_model(self, model: keras.Model):
        super().set_model(model)
        if is_told_later(self, model):
            return
        self.horizon = Horizon()
        self._started = self._has_stepped = False
        self._due: int | None = None
        self._next_reading = math.inf
        self.attachments = Attachments(model)
        with undo_on_failure(model):
            require_backend()
            require_optimizer(model)
            if not Clock.exists(model):
                undo_later(model, self._remove_clock)
                Clock.of(model)
            undo_later(model, self.detach)
            with strategy_scope(model):
                self.attach(model)
            _forbid_overlap(self)
            self.attachments.finish()

    def set_params(self, params: dict):
        super().set_params(params)
        model = self.model
        with undo_on_failure(model):
            self.horizon = horizon(params, model)
            self.check(self.horizon)
            others = attached(model)
            if others[0] is self and any(other.span(self.horizon)[1] > 0 for other in others):
                warn_of_rankings()

    def on_epoch_begin(self, epoch: int, logs=None):
        model = self.model
        clock = Clock.of(model)
        if not self._started:
            self._started = True
            keep_attached(model)
            clock.start(epoch, self.horizon)
            self.on_update(clock.update, self.horizon)
            self._due = self.next_due(clock.update, self.horizon)
        clock.mark()
        self._read_clock(batch=-1)

    def on_train_batch_begin(self, batch: int, logs=None):
        if not self._has_stepped and keras.config.backend() == "jax":
            _keep_jax_state(self._model)
        self._has_stepped = True

    def on_train_batch_end(self, batch: int, logs=None):
        if batch >= self._next_reading:
            self._read_clock(batch)

    def on_train_end(self, logs=None):
        model = self.model
        clock = Clock.of(model)
        clock.mark()
        update = clock.update
        if self._started and not update:
            self._warn_without_updates(model)
        self.on_update(self._last_update(update, model), self.horizon)
        self.attachments.end()
        self._started = False

    def _last_update(self, update: int, model: keras.Model) -> int:
        """The moment of a training that has ended.

        One that was not stopped has come to its end, though steps that loss scaling has skipped,
        and data that ran short, were no updates.
        """
        if not update or model.stop_training:
            return update
        return max(update, self.horizon.total or 0)

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
        model = self.model
        update = Clock.of(model).update
        if update >= self._due:
            self.on_update(update, self.horizon)
            self._due = self.next_due(update, self.horizon)
        if self._due is not None:
            # Some batches of the coming update may have been accumulated already.
            batches = (self._due - update - 1) * accumulation_steps(model) + 1
            self._next_reading = batch + batches

    def _remove_clock(self):
        Clock.remove(self.model)


class _FirstState(dict):
    """What the variables of a model held before the first step, unless the step has used it up."""

    def get(self, name, default=None):
        values = super().get(name, default)
        return default if any(value.is_deleted() for value in values) else values


def _keep_jax_state(model: keras.Model):
    """Lets `fit` find the state that it takes from the model's variables before the first step.

    If that step fails while it is traced or compiled, Keras would leave the variables empty.
    """
    kinds = ("trainable", "non_trainable", "optimizer", "metrics")
    names = [f"{kind}_variables" for kind in kinds]
    kept = model._get_jax_state(**dict.fromkeys(names, True))
    model._jax_state = _FirstState(zip(names, kept, strict=True))


def undo_later(model: keras.Model, undo: Callable[[], None]):
    """Registers a bound method that puts `model` back if this `fit` fails before it begins."""
    _undo_methods(model).append(weakref.WeakMethod(undo))


def _undo_methods(model: keras.Model) -> list[weakref.WeakMethod]:
    """What this `fit` would undo, without what a `fit` that a foreign callback stopped has left."""
    # Every `fit` gives the model a history of its own before it sets the callbacks' model.
    history = getattr(model, "history", None)
    fit, methods = _UNDO.get(model, (None, []))
    if fit is None or fit() is not history:
        methods = []
        _UNDO[model] = (weakref.ref(history) if history is not None else lambda: None, methods)
    return methods


def _forbid_overlap(callback: TimedCallback):
    """Raises if another callback of this `fit` would move the same state."""
    own = {id(link) for link in callback.attachments.links}
    for other in attached(callback.model):
        if other is callback:
            continue
        theirs = zip(other.attachments.paths, other.attachments.links, strict=True)
        shared = [path for path, link in theirs if id(link) in own]
        if shared:
            raise ValueError(
                f"Two callbacks of this `fit` ({type(other).__name__} and "
                f"{type(callback).__name__}) govern the same {len(shared)} weights. Give them "
                'disjoint `rules`, each ending with `("*", None)`. '
                f"Received: {shared[:3]}"
            )


def attached(model: keras.Model) -> list[TimedCallback]:
    """The callbacks that this `fit` has attached to `model` so far, until training begins."""
    owners = [method.__self__ for reference in _undo_methods(model) if (method := reference())]
    return list({id(owner): owner for owner in owners}.values())


def running(model: keras.Model) -> list[TimedCallback]:
    """The callbacks that compress `model` in the `fit` that is training it.

    Those of a `fit` that was interrupted still seem to run, but have other `params`: the callbacks
    of one `fit`, its history among them, share an object.
    """
    callbacks = [callback for reference in _RUNNING.get(model, []) if (callback := reference())]
    return [
        callback
        for callback in callbacks
        if callback._started and callback.params is model.history.params
    ]


def keep_attached(model: keras.Model):
    """Forgets what would be undone: training has begun."""
    if model in _UNDO:
        _RUNNING[model] = [weakref.ref(callback) for callback in attached(model)]
        del _UNDO[model]


@contextlib.contextmanager
def undo_on_failure(model: keras.Model) -> Iterator[None]:
    """If its body raises, undoes all that callbacks have attached to `model` in this `fit`."""
    try:
        yield
    except BaseException:
        methods = _undo_methods(model)
        while methods:
            undo = methods.pop()()
            if undo is not None:
                undo()
        raise


def require_backend():
    """Raises `RuntimeError` on a backend that kerasopt cannot train on."""
    if keras.config.backend() not in ("tensorflow", "jax"):
        raise RuntimeError(
            "kerasopt trains on the TensorFlow and JAX backends. Set the environment variable "
            "`KERAS_BACKEND` to one of them before Keras is imported. "
            f"Received: backend={keras.config.backend()}"
        )
