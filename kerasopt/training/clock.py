"""The one clock: optimizer updates since this training began."""

import contextlib
from collections.abc import Iterator

import keras
import numpy as np

from kerasopt.schedules.times import Horizon
from kerasopt.training.model_state import ModelState

_NAME = "clock"
_UNSET = -1
# Origin, and the iterations that were seen last.
_INITIAL = np.array([0, _UNSET], "int32")


class Clock:
    """Counts the optimizer updates of a training, from an origin kept in the model.

    Updates, not batches: with gradient accumulation of 4, 16 batches are 4 updates, and a
    `LossScaleOptimizer` does not advance on a step whose gradients are not finite. The origin is
    what `optimizer.iterations` was when the training began. It is a variable of the model, saved
    in its weights files, so that a restored fit goes on with it.

    During `fit` on JAX reach the clock through `callback.model`, which brings the variables up to
    date: `Clock.of(self.model).update`. That is a full synchronization, so do it seldom.

    Args:
        model: A compiled `keras.Model` that has a clock; use `Clock.of` to give it one.
    """

    def __init__(self, model: keras.Model):
        self._model = model

    @classmethod
    def of(cls, model: keras.Model) -> "Clock":
        """The clock of `model`, which is given one if it has none."""
        ModelState.of(model, _NAME, _INITIAL)
        return cls(model)

    @staticmethod
    def exists(model: keras.Model) -> bool:
        """Whether `model` has a clock."""
        return ModelState.find(model, _NAME) is not None

    @staticmethod
    def remove(model: keras.Model):
        """Takes the clock off `model`, if it has one."""
        ModelState.remove(model, _NAME)

    @property
    def update(self) -> int:
        """Optimizer updates done in this training."""
        return self._iterations - self._marks[0]

    def start(self, epoch: int, horizon: Horizon):
        """Sets the origin at the beginning of an epoch.

        Epoch 0 is a new training: it starts here. A later epoch continues one and keeps its
        origin, except when there is none or it cannot be right (a new `compile` has set the
        iterations back; epochs were trained in between without a clock): then it follows from the
        number of epochs done, or starts here if the length of an epoch is unknown.

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
        """Notes the iterations of this moment, by which a later reset of them is found out."""
        self._marks = (self._marks[0], self._iterations)

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Keeps the time while its body sets the optimizer back to earlier iterations.

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
    """The extent of a training, from what `fit` tells its callbacks.

    Args:
        params: `callback.params`: `epochs` and `steps` (batches in an epoch, `None` if unknown).
        model: The compiled model.

    Returns:
        The `Horizon`, in optimizer updates, counted from epoch 0 also when `fit` begins later.
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
    """Raises `ValueError` if a model trains by optimizers of which the clock cannot know.

    The author of a GAN keeps two, and calls `super().compile()`, which makes a third that nothing
    uses: no update would ever be counted.
    """
    others = {
        name: value
        for name, value in vars(model).items()
        if isinstance(value, keras.optimizers.Optimizer) and value is not model.optimizer
    }
    if others and (model.optimizer is None or _is_made_by_compile(model)):
        name = next(iter(others))
        raise ValueError(
            f"Model '{model.name}' trains by optimizers of its own, and kerasopt counts time in "
            "the updates of `model.optimizer`, which is none of them: let `compile` pass on the "
            f"one that updates what is compressed, `super().compile(optimizer={name})`. "
            f"Received: {', '.join(others)} beside an optimizer of class "
            f"{type(model.optimizer).__name__}"
        )


def _is_made_by_compile(model) -> bool:
    """Whether the optimizer is the one that `compile()` makes if it is given none."""
    optimizer, default = model.optimizer, keras.optimizers.RMSprop()
    steps_of_its_own = type(model).train_step is not keras.Model.train_step
    if not steps_of_its_own or type(optimizer) is not type(default) or int(optimizer.iterations):
        return False
    return {**optimizer.get_config(), "name": ""} == {**default.get_config(), "name": ""}


def _updating_optimizer(model: keras.Model) -> keras.optimizers.Optimizer:
    optimizer = model.optimizer
    if optimizer is None:
        raise ValueError(
            "kerasopt counts time in optimizer updates: compile the model with an optimizer. "
            f"Received: model={model.name}"
        )
    return getattr(optimizer, "inner_optimizer", optimizer)
