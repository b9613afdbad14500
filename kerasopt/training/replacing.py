"""Replaces methods of a model for a while."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import keras


@contextlib.contextmanager
def replaced(model: keras.Model, name: str, method: Callable) -> Iterator[None]:
    """Gives a model another method inside the context.

    It is set on the object, past Keras' tracking. One that the user has set there comes back.

    Args:
        model: The model.
        name: The name of the method.
        method: What is called instead, without the model as an argument.
    """
    attributes = vars(model)
    mine = {name: attributes[name]} if name in attributes else {}
    attributes[name] = method
    try:
        yield
    finally:
        del attributes[name]
        attributes.update(mine)
