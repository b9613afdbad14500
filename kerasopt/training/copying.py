"""What a copy of a callback is."""

import copy
from typing import Any

import keras


class CopiedUnused(keras.callbacks.Callback):
    """A callback whose copies and pickles are new ones, made with the same arguments.

    KerasTuner copies callbacks for every trial, scikit-learn for every fold, after they may have
    been used. What a callback holds of a training (links, variables, functions that undo) belongs
    to the model of that training, and is no part of a copy.
    """

    # Names of attributes that copies share: what is large and never changed, or is what it is.
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
