"""What callbacks see of the evaluations in `fit`."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras

from kerasopt.training.replacing import replaced

_NAME = "make_test_function"


class WatchedTests:
    """Replaces a model's `make_test_function` while members of a `fit` watch its evaluations.

    Args:
        model: The model.
        members: The (changing) list of members, with `is_testing`, `test_values` and `tested`.
    """

    def __init__(self, model: keras.Model, members: Sequence[Any]):
        self._model, self._members = model, members

    def enter(self) -> None:
        """Watches the evaluations from now on."""
        if _NAME not in vars(self._model):
            vars(self._model)[_NAME] = self._make
            self._model.test_function = None

    def leave(self) -> None:
        """Stops watching."""
        if vars(self._model).pop(_NAME, None) is not None:
            self._model.test_function = None

    def _make(self, force: bool = False) -> Callable:
        model = self._model
        if model.test_function is None or force:
            make = getattr(type(model), _NAME)
            make(model, force=True)
            plain = model.test_function
            with wrapped_step(model, "test_step", self._members):
                make(model, force=True)
            model.test_function = self._watched(plain, model.test_function)
        return model.test_function

    def _watched(self, plain: Callable, function: Callable) -> Callable:
        def test_function(*args: Any) -> Any:
            members = [member for member in self._members if member.is_testing]
            if not members:  # an evaluation of its own, after a training that was interrupted
                return plain(*args)
            for member in members:
                member.test_values.show()
            try:
                with _shown(self._model, members):
                    return function(*args)
            except BaseException:
                for member in members:
                    member.is_testing = False
                raise

        return test_function


@contextlib.contextmanager
def _shown(model: keras.Model, members: Sequence[Any]) -> Iterator[None]:
    """Shows members the batches whose loss a test step computes."""
    original = model.compute_loss

    def compute_loss(x=None, y=None, y_pred=None, *args: Any, **kwargs: Any) -> Any:
        loss = original(x, y, y_pred, *args, **kwargs)
        batch_size = keras.ops.shape(keras.tree.flatten(y_pred)[0])[0]
        for member in members:
            values = member.tested(x, y, y_pred)
            if values is None:
                member.test_values.hide()
            else:
                member.test_values.update_state(values, batch_size)
        return loss

    with replaced(model, "compute_loss", compute_loss):
        yield


def wrapped_step(
    model: keras.Model, name: str, members: Sequence[Any]
) -> contextlib.AbstractContextManager:
    """Lets members see the data of each step before the model's own method does.

    Args:
        model: The model.
        name: `"train_step"` or `"test_step"`, of which a function is made inside the context.
        members: Those that wrap it, by `wrapped_step`.
    """
    step = own = getattr(model, name)
    for member in members:
        step = member.wrapped_step(step)
    return contextlib.nullcontext() if step == own else replaced(model, name, step)
