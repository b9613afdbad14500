"""Loss terms and logged values that callbacks add to a model during one `fit`."""

import abc
import contextlib
from collections.abc import Callable

import keras

from kerasopt.keras_internals.training import add_metric, keep_state_of_step, remove_metric
from kerasopt.training.copying import CopiedUnused
from kerasopt.training.loss_terms import LossTerm, added_to_loss
from kerasopt.training.model_state import strategy_scope
from kerasopt.training.training_values import TrainingValues
from kerasopt.training.watched_tests import WatchedTests, wrapped_step

_NAME = "make_train_function"


class FitScope:
    """Replaces a model's `make_train_function` while a `fit` runs.

    It adds the loss terms and logged values of its members to every train function that Keras
    makes, also if another callback renews it. `compute_loss` is replaced only while a step runs.
    The last member removes the scope; after an exception or Ctrl-C, which skip `on_train_end`, the
    scope removes itself when the next `fit` or `train_on_batch` requests a train function.

    Args:
        model: The model; use `enter` and `leave`.
    """

    def __init__(self, model: keras.Model):
        self._model = model
        self._replaced = {_NAME: vars(model)[_NAME]} if _NAME in vars(model) else {}
        self._members: list[FitMember] = []
        self._tests = WatchedTests(model, self._members)
        self._used = self._stepped = False

    @classmethod
    def of(cls, model: keras.Model) -> "FitScope | None":
        """The scope of `model`, or `None`."""
        scope = vars(model).get(_NAME)
        return scope if isinstance(scope, cls) else None

    @classmethod
    def enter(cls, model: keras.Model, member: "FitMember"):
        """Adds a member's values and loss term to the training steps of `model`."""
        scope = cls.of(model)
        if scope is None:
            scope = vars(model)[_NAME] = cls(model)
        if member not in scope._members:
            scope._members.append(member)
            _track(model, member.values)
            if member.test_values is not None:
                scope._tests.enter()
                _track(model, member.test_values)
            scope(force=True)

    @classmethod
    def leave(cls, model: keras.Model, member: "FitMember"):
        """Removes a member."""
        scope = cls.of(model)
        if scope is not None and member in scope._members:
            scope._remove([member])
            model.make_train_function(force=True)

    @property
    def members(self) -> tuple["FitMember", ...]:
        """The members in this `fit`."""
        return tuple(self._members)

    def __call__(self, force: bool = False):
        """Makes the train function, like `Model.make_train_function`."""
        model = self._model
        if not force:  # another training: that of the members was interrupted
            members = self.members
            self._remove(members)
            for member in members:
                member.abandoned()
            model.make_train_function(force=True)
            return model.train_function
        make = self._replaced.get(_NAME) or getattr(type(model), _NAME).__get__(model)
        with wrapped_step(model, "train_step", self._members):
            make(force=True)
        self._used = self._stepped = False
        model.train_function = self._with_members(model.train_function)
        return model.train_function

    def check(self):
        """Raises `ValueError` if the training step has run without computing the loss terms."""
        terms = [member for member in self._members if isinstance(member, LossTerm)]
        if terms and self._stepped and not self._used:
            self._remove(self.members)
            names = ", ".join(type(term).__name__ for term in terms)
            raise ValueError(
                f"{names} adds to the loss in `compute_loss`, but the model's custom `train_step` "
                "does not call it. Call `self.compute_loss(x=x, y=y, y_pred=y_pred, "
                f"sample_weight=sample_weight)` there. Received: model={type(self._model).__name__}"
            )

    def _with_members(self, function):
        def train_function(*args):
            for member in self._members:
                member.values.show()
            terms = [member for member in self._members if isinstance(member, LossTerm)]
            try:
                with contextlib.ExitStack() as stack:
                    for member in self._members:
                        stack.enter_context(member.around_step(self._model))
                    stack.enter_context(added_to_loss(self._model, terms, args, self._mark_used))
                    logs = function(*args)
            except BaseException:
                for member in self._members:
                    member.interrupted()
                if keras.config.backend() == "jax":
                    keep_state_of_step(self._model, args[0])
                raise
            self._stepped = True
            return logs

        return train_function

    def _mark_used(self):
        self._used = True

    def _remove(self, members):
        for member in list(members):
            self._members.remove(member)
            for values in filter(None, (member.values, member.test_values)):
                _untrack(self._model, values)
        if not self._members:
            self._tests.leave()
            attributes = vars(self._model)
            attributes.pop(_NAME, None)
            attributes.update(self._replaced)


class FitMember(CopiedUnused, abc.ABC):
    """A callback that takes part in a `FitScope` from `on_train_begin` to `on_train_end`.

    A subclass implements `make_values`; one that is a `LossTerm` too also adds to the loss. With
    `make_test_values` and `tested` it also logs what it sees of evaluations in `fit`.
    """

    test_values: TrainingValues | None = None
    is_testing = False

    @abc.abstractmethod
    def make_values(self, model: keras.Model) -> TrainingValues:
        """Returns the values that it logs; called under the model's distribution strategy."""

    def make_test_values(self) -> TrainingValues | None:
        """Returns the values that it logs of evaluations, or `None`."""
        return None

    def tested(self, x, y, y_pred) -> dict | None:
        """Returns the `test_values` of a batch of an evaluation; `None` if it has none.

        Called in the compiled test step, with the model's outputs in inference mode.
        """
        return None

    def around_step(self, model: keras.Model) -> contextlib.AbstractContextManager:
        """Returns a context in which every training step of `model` runs, and is traced."""
        return contextlib.nullcontext()

    def wrapped_step(self, step: Callable) -> Callable:
        """Returns what is called instead of a `train_step` or `test_step`, with its arguments."""
        return step

    def interrupted(self) -> None:  # noqa: B027
        """Called when a training step fails, after which `on_train_end` is not."""

    def abandoned(self) -> None:  # noqa: B027
        """Called when another training begins, if this one was interrupted."""

    def on_train_begin(self, logs=None):
        super().on_train_begin(logs)
        model = self.model
        scope = FitScope.of(model)
        if scope is None or self not in scope.members:
            with strategy_scope(model):
                self.values = self.make_values(model)
                self.test_values = self.make_test_values()
            FitScope.enter(model, self)

    def on_test_begin(self, logs=None):
        super().on_test_begin(logs)
        self.is_testing = self.test_values is not None

    def on_test_end(self, logs=None):
        super().on_test_end(logs)
        self.is_testing = False

    def on_train_batch_begin(self, batch: int, logs=None):
        self._check_scope()
        super().on_train_batch_begin(batch, logs)

    def on_epoch_end(self, epoch: int, logs=None):
        self._check_scope()
        super().on_epoch_end(epoch, logs)

    def on_train_end(self, logs=None):
        FitScope.leave(self.model, self)
        super().on_train_end(logs)

    def _check_scope(self):
        scope = FitScope.of(self._model)
        if scope is not None:
            scope.check()


def _track(model: keras.Model, values: TrainingValues):
    add_metric(model, values)
    _renew_test_function(model)


def _untrack(model: keras.Model, values: TrainingValues):
    remove_metric(model, values)
    _renew_test_function(model)


def _renew_test_function(model: keras.Model):
    """On JAX the test step takes the state of all metrics, sharded as when it was created."""
    if keras.config.backend() == "jax" and model.test_function is not None:
        model.make_test_function(force=True)
