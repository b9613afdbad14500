"""Callbacks of a model that has no weights before its first batch."""

import functools
from collections.abc import Callable
from typing import Any

import keras

from kerasopt.keras_internals.layers import is_built
from kerasopt.keras_internals.training import build_for

_ATTRIBUTE = "_kerasopt_first_batch"
_HOOKS = (
    "set_params",
    "on_train_begin",
    "on_epoch_begin",
    "on_train_batch_begin",
    "on_epoch_end",
    "on_train_end",
)


def is_told_later(callback: keras.callbacks.Callback, model: keras.Model) -> bool:
    """Lets a callback hear of a `fit` when its first batch has built the model.

    On TensorFlow a model without an `Input` is built when its train function is traced, after
    callbacks have been told of their model and of the beginning of training. They are told again,
    in the same order, just before the first step.

    Args:
        callback: The callback, in its `set_model`.
        model: The model that it is given.

    Returns:
        Whether `set_model` has nothing to do yet: it is called again.
    """
    for hook in _HOOKS:  # left by a `fit` that had no batch
        vars(callback).pop(hook, None)
    history = getattr(model, "history", None)
    if history is None or keras.config.backend() != "tensorflow" or is_built(model):
        return False
    first = vars(history).get(_ATTRIBUTE)
    if first is None:
        first = vars(history)[_ATTRIBUTE] = _FirstBatch(model)
    if first.is_over:
        return False
    first.add(callback)
    return True


class _FirstBatch:
    """What the callbacks of one `fit` are told before its first step."""

    def __init__(self, model: keras.Model):
        self.is_over = False
        self._model = model
        self._callbacks: list[keras.callbacks.Callback] = []
        self._told: list[tuple[keras.callbacks.Callback, str, tuple, dict[str, Any]]] = []

    def add(self, callback: keras.callbacks.Callback):
        self._callbacks.append(callback)
        self._told.append((callback, "set_model", (self._model,), {}))
        for hook in _HOOKS:
            vars(callback)[hook] = functools.partial(self._note, callback, hook)

    def _note(self, callback, hook: str, *args, **kwargs):
        self._told.append((callback, hook, args, kwargs))
        if hook == "on_train_batch_begin" and callback is self._callbacks[0]:
            self._model.train_function = self._first_step

    def _first_step(self, iterator) -> Any:
        """Builds the model for the batches that are to come, and takes the first step."""
        model = self._model
        self.is_over = True
        for callback in self._callbacks:
            for hook in _HOOKS:
                vars(callback).pop(hook)
        model.train_function = None
        spec = getattr(iterator, "element_spec", None)
        if spec is not None:
            build_for(model, spec)
        for callback, hook, args, kwargs in self._told:
            tell: Callable = getattr(callback, hook)
            tell(*args, **kwargs)
        model.make_train_function(force=True)
        return model.train_function(iterator)
