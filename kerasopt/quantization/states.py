"""The state that models keep from batch to batch."""

import contextlib
from collections.abc import Iterator

import keras
import numpy as np

from kerasopt.keras_internals.layers import flattened


@contextlib.contextmanager
def states_kept(*models: keras.Model) -> Iterator[None]:
    """Restores the states of stateful recurrent layers after its body."""
    states = [
        state
        for model in models
        for layer in flattened(model)
        if isinstance(layer, keras.layers.RNN)
        for state in keras.tree.flatten(layer.states)
        if isinstance(state, keras.Variable)
    ]
    with values_kept(states):
        yield


@contextlib.contextmanager
def values_kept(variables: list[keras.Variable]) -> Iterator[None]:
    """Restores the values of variables after its body."""
    values = [np.array(keras.ops.convert_to_numpy(variable)) for variable in variables]
    try:
        yield
    finally:
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)


def fixed_batch_size(model: keras.Model) -> int | None:
    """Returns the fixed batch size of a model's inputs; `None` if any is possible."""
    inputs = getattr(model, "inputs", None) or [None]
    return None if inputs[0] is None else inputs[0].shape[0]
