"""Warnings about Keras' own callbacks that choose the best epoch."""

import sys
import types
from collections.abc import Iterator

import keras

from kerasopt.warning import warn


def warn_of_rankings() -> None:
    """Warns of callbacks of this `fit` that choose the best epoch by the metric alone.

    While a model is compressed its metrics fall: the best epoch would be an
    earlier one.
    """
    for ours, theirs in _rankings():
        warn(
            f"`keras.callbacks.{ours}` ranks epochs by the metric alone, which falls while a model "
            "is compressed: it prefers epochs from before compression is complete. Use "
            f"`kerasopt.callbacks.{ours}` instead, with the same arguments. Received: "
            f"{type(theirs).__name__} with monitor='{theirs.monitor}'",
        )


def _rankings() -> Iterator[tuple[str, keras.callbacks.Callback]]:
    """Yields callbacks that rank by the metric alone, each with the name of our replacement."""
    for callback in _callbacks_of_fit():
        if getattr(callback, "ranks_stage", False):
            continue
        if isinstance(callback, keras.callbacks.EarlyStopping):
            yield "EarlyStopping", callback
        if isinstance(callback, keras.callbacks.ModelCheckpoint) and callback.save_best_only:
            yield "ModelCheckpoint", callback


def _callbacks_of_fit() -> list[keras.callbacks.Callback]:
    """The callbacks of the `fit` that is calling one of them.

    A callback does not know the others: their list is found in the caller, or in `fit`.
    """
    frame: types.FrameType | None = sys._getframe()
    while frame is not None:
        for name in ("self", "callbacks"):
            value = frame.f_locals.get(name)
            if isinstance(value, keras.callbacks.CallbackList):
                return value.callbacks
        frame = frame.f_back
    return []
