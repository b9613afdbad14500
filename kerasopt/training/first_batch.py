"""Callbacks of models that are built by their first batch."""

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
    """Defers the hooks of a callback until the first batch has built the model.

    On TensorFlow a model without an `Input` is built when its train function is traced, after
    `set_model` and `on_train_begin`. These hooks are called again, in the same order, just before
    the first step.

    Args:
        callback: The callback, in its `set_model`.
        model: The model that it receives.

    Returns:
        Whether `set_model` must return without doing anything: it is called again.
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
    """The deferred hooks of the callbacks of one `fit`."""

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
        """Builds the model for the coming batches, and takes the first step."""
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
