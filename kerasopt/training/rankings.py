"""Keras' own callbacks that take the best epoch, beside what compresses."""

import sys
import types
from collections.abc import Iterator

import keras

from kerasopt.warning import warn


def warn_of_rankings() -> None:
    """Warns of callbacks of this `fit` that take the best epoch, compressed or not.

    While a model is compressed its metrics fall: the best epoch is one from before.
    """
    for ours, theirs in _rankings():
        warn(
            f"`keras.callbacks.{ours}` ranks epochs by the metric alone, which falls while a "
            "model is compressed: it prefers epochs from before compression is complete. "
            f"Take `kerasopt.callbacks.{ours}` in its place, with the same arguments. "
            f"Received: {type(theirs).__name__} with monitor='{theirs.monitor}'",
        )


def _rankings() -> Iterator[tuple[str, keras.callbacks.Callback]]:
    """Yields what ranks by the metric alone, with the name of ours that does not."""
    for callback in _callbacks_of_fit():
        if getattr(callback, "ranks_stage", False):
            continue
        if isinstance(callback, keras.callbacks.EarlyStopping):
            yield "EarlyStopping", callback
        if isinstance(callback, keras.callbacks.ModelCheckpoint) and callback.save_best_only:
            yield "ModelCheckpoint", callback


def _callbacks_of_fit() -> list[keras.callbacks.Callback]:
    """The callbacks of the `fit` that is calling one of them.

    Keras tells a callback its model, and not the others: the list is that of the caller, or in
    `fit`.
    """
    frame: types.FrameType | None = sys._getframe()
    while frame is not None:
        for name in ("self", "callbacks"):
            value = frame.f_locals.get(name)
            if isinstance(value, keras.callbacks.CallbackList):
                return value.callbacks
        frame = frame.f_back
    return []
