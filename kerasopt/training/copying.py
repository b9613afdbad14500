"""Copies of callbacks."""

import copy
from typing import Any

import keras


class CopiedUnused(keras.callbacks.Callback):
    """A callback whose copies and pickles are new callbacks with the same arguments.

    KerasTuner copies callbacks for every trial, scikit-learn for every fold, possibly after use.
    The state of a callback in a training (links, variables, undo functions) belongs to the model of
    that training and must not be copied.
    """

    # Names of attributes that copies share: large and constant ones, or ones with an identity.
    shared: tuple[str, ...] = ()
    _arguments: tuple[tuple, dict[str, Any]]

    def __new__(cls, *args, **kwargs):
        callback = super().__new__(cls)
        callback._arguments = args, kwargs
        return callback

    def __reduce__(self):
        return _make, (type(self), *self._arguments)

    def __deepcopy__(self, memo):
        for name in self.shared:
            value = getattr(self, name)
            memo.setdefault(id(value), value)
        return _make(type(self), *copy.deepcopy(self._arguments, memo))


def _make(cls, args, kwargs):
    return cls(*args, **kwargs)
