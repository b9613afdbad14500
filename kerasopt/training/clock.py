"""The clock: optimizer updates since this training began."""

import contextlib
from collections.abc import Iterator

import keras
import numpy as np

from kerasopt.schedules.times import Horizon
from kerasopt.training.model_state import ModelState

_NAME = "clock"
_UNSET = -1
# The origin, and the last known iterations.
_INITIAL = np.array([0, _UNSET], "int32")


class Clock:
    """Counts the optimizer updates of a training, from an origin kept in the model.

    Updates, not batches: with gradient accumulation of 4, 16 batches are 4 updates, and a
    `LossScaleOptimizer` does not advance on a step with non-finite gradients. The origin is the
    value of `optimizer.iterations` when the training began. It is a variable of the model, saved in
    its weights files, so that a restored fit continues with it.

    During `fit` on JAX, access the clock through `callback.model`, which updates the variables:
    `Clock.of(self.model).update`. This is a full synchronization, so do it rarely.

    Args:
        model: A compiled `keras.Model` that has a clock; use `Clock.of` to give it one.
    """

    def __init__(self, model: keras.Model):
        self._model = model

    @classmethod
    def of(cls, model: keras.Model) -> "Clock":
        """The clock of `model`, created if it does not exist."""
        ModelState.of(model, _NAME, _INITIAL)
        return cls(model)

    @staticmethod
    def exists(model: keras.Model) -> bool:
        """Whether `model` has a clock."""
        return ModelState.find(model, _NAME) is not None

    @staticmethod
    def remove(model: keras.Model):
        """Removes the clock of `model`, if it has one."""
        ModelState.remove(model, _NAME)

    @property
    def update(self) -> int:
        """The number of optimizer updates in this training so far."""
        return self._iterations - self._marks[0]

    def start(self, epoch: int, horizon: Horizon):
        """Sets the origin at the beginning of an epoch.

        Epoch 0 starts a new training. A later epoch continues one and keeps its origin, unless this
        is missing or inconsistent (a new `compile` has reset the iterations, or epochs were trained
        without a clock): then it is computed from the number of epochs, or set to now if the length
        of an epoch is unknown.

        Args:
            epoch: The epoch that begins, as `on_epoch_begin` receives it.
            horizon: The extent of this training.
        """
        iterations, (origin, seen) = self._iterations, self._marks
        length = horizon.updates_per_epoch
        known = epoch > 0 and _UNSET < seen <= iterations
        if known and length is not None:
            # `steps_per_execution` may run past the end of an epoch by less than one execution.
            known = iterations - origin <= epoch * (length + self._model.steps_per_execution)
        if not known:
            origin = iterations - round(epoch * (length or 0))
        self._marks = (origin, iterations)

    def mark(self):
        """Records the current iterations, to detect a later reset of them."""
        self._marks = (self._marks[0], self._iterations)

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Keeps the time while its body resets the optimizer to earlier iterations.

        ```python
        with Clock.of(model).held():
            model.optimizer.iterations.assign(0)
        ```
        """
        update = self.update
        yield
        self._marks = (self._iterations - update, self._iterations)

    @property
    def _iterations(self) -> int:
        return int(keras.ops.convert_to_numpy(_updating_optimizer(self._model).iterations))

    @property
    def _state(self):
        return ModelState.find(self._model, _NAME)

    @property
    def _marks(self) -> tuple[int, int]:
        origin, seen = self._state.numpy()
        return int(origin), int(seen)

    @_marks.setter
    def _marks(self, marks: tuple[int, int]):
        self._state.assign(marks)


def horizon(params: dict | None, model: keras.Model) -> Horizon:
    """Returns the extent of a training, from the parameters of a callback.

    Args:
        params: `callback.params`: `epochs` and `steps` (batches in an epoch, `None` if unknown).
        model: The compiled model.

    Returns:
        The `Horizon`, in optimizer updates, counted from epoch 0 even if `fit` begins later.
    """
    params = params or {}
    epochs, steps = params.get("epochs"), params.get("steps")
    if epochs is None or steps is None:
        return Horizon()
    batches_per_update = accumulation_steps(model)
    return Horizon(epochs * steps // batches_per_update, steps / batches_per_update)


def accumulation_steps(model: keras.Model) -> int:
    """The number of batches in one optimizer update."""
    return _updating_optimizer(model).gradient_accumulation_steps or 1


def require_optimizer(model: keras.Model):
    """Raises `ValueError` if a model is trained by optimizers that the clock cannot observe.

    A GAN, for example, often has two optimizers of its own and calls `super().compile()`, which
    creates a third, unused one: no update would ever be counted.
    """
    others = {
        name: value
        for name, value in vars(model).items()
        if isinstance(value, keras.optimizers.Optimizer) and value is not model.optimizer
    }
    if others and (model.optimizer is None or _is_made_by_compile(model)):
        name = next(iter(others))
        raise ValueError(
            f"Model '{model.name}' is trained by its own optimizers, but kerasopt counts the "
            "updates of `model.optimizer`, which is not one of them: in its `compile` method, pass "
            f"on the optimizer of the compressed weights, `super().compile(optimizer={name})`. "
            f"Received: {', '.join(others)} beside an optimizer of class "
            f"{type(model.optimizer).__name__}"
        )


def _is_made_by_compile(model) -> bool:
    """Whether the optimizer is the default one of `compile()`."""
    optimizer, default = model.optimizer, keras.optimizers.RMSprop()
    steps_of_its_own = type(model).train_step is not keras.Model.train_step
    if not steps_of_its_own or type(optimizer) is not type(default) or int(optimizer.iterations):
        return False
    return {**optimizer.get_config(), "name": ""} == {**default.get_config(), "name": ""}


def _updating_optimizer(model: keras.Model) -> keras.optimizers.Optimizer:
    optimizer = model.optimizer
    if optimizer is None:
        raise ValueError(
            "kerasopt measures time in optimizer updates: compile the model with an optimizer. "
            f"Received: model={model.name}"
        )
    return getattr(optimizer, "inner_optimizer", optimizer)
