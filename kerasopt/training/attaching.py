"""Tracks the callbacks attached to a model, and detaches them if their `fit` fails early."""

import contextlib
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import keras

# Per model: the current `fit`, and the bound methods to call if it fails before it begins.
_UNDO: weakref.WeakKeyDictionary[keras.Model, tuple[Callable, list[weakref.WeakMethod]]] = (
    weakref.WeakKeyDictionary()
)

_RUNNING: weakref.WeakKeyDictionary[keras.Model, list[weakref.ref]] = weakref.WeakKeyDictionary()


def undo_later(model: keras.Model, undo: Callable[[], None]):
    """Registers a bound method that restores `model` if this `fit` fails before it begins."""
    _undo_methods(model).append(weakref.WeakMethod(undo))


def _undo_methods(model: keras.Model) -> list[weakref.WeakMethod]:
    """The undo methods of this `fit`, without those that an earlier, stopped one has left."""
    # Every `fit` gives the model a new history before it sets the callbacks' model.
    history = getattr(model, "history", None)
    fit, methods = _UNDO.get(model, (None, []))
    if fit is None or fit() is not history:
        methods = []
        _UNDO[model] = (weakref.ref(history) if history is not None else lambda: None, methods)
    return methods


def attached(model: keras.Model) -> list[Any]:
    """The callbacks that this `fit` has attached to `model` so far, until training begins."""
    owners = [method.__self__ for reference in _undo_methods(model) if (method := reference())]
    return list({id(owner): owner for owner in owners}.values())


def running(model: keras.Model) -> list[Any]:
    """The callbacks that compress `model` in the `fit` that is training it.

    Callbacks of an interrupted `fit` still seem to run, but have other `params`: all callbacks of
    one `fit`, including its history, share one object.
    """
    callbacks = [callback for reference in _RUNNING.get(model, []) if (callback := reference())]
    return [
        callback
        for callback in callbacks
        if callback.is_running and callback.params is model.history.params
    ]


def keep_attached(model: keras.Model):
    """Forgets the undo methods: training has begun."""
    if model in _UNDO:
        _RUNNING[model] = [weakref.ref(callback) for callback in attached(model)]
        del _UNDO[model]


@contextlib.contextmanager
def undo_on_failure(model: keras.Model) -> Iterator[None]:
    """If its body raises, detaches everything that callbacks have attached in this `fit`."""
    try:
        yield
    except BaseException:
        methods = _undo_methods(model)
        while methods:
            undo = methods.pop()()
            if undo is not None:
                undo()
        raise


def forbid_overlap(callback: Any):
    """Raises if another callback of this `fit` governs the same state."""
    own = {id(link) for link in callback.run.attachments.links}
    for other in attached(callback.model):
        if other is callback:
            continue
        theirs = zip(other.run.attachments.paths, other.run.attachments.links, strict=True)
        shared = [path for path, link in theirs if id(link) in own]
        if shared:
            raise ValueError(
                f"Two callbacks of this `fit` ({type(other).__name__} and "
                f"{type(callback).__name__}) govern the same {len(shared)} weights. Give them "
                'disjoint `rules`, each ending with `("*", None)`. '
                f"Received: {shared[:3]}"
            )


def require_backend():
    """Raises `RuntimeError` on an unsupported backend."""
    if keras.config.backend() not in ("tensorflow", "jax"):
        raise RuntimeError(
            "kerasopt trains on the TensorFlow and JAX backends. Set the environment variable "
            "`KERAS_BACKEND` to one of them before Keras is imported. "
            f"Received: backend={keras.config.backend()}"
        )
