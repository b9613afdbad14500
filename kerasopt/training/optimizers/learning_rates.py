"""Learning rates of individual variables."""

import keras

from kerasopt.keras_internals.optimizers import key_of
from kerasopt.training.optimizers.hooked_optimizer import hook, hooks_of, unhook, updating


def set_learning_rate(model: keras.Model, variables: list[keras.Variable], factor: float) -> None:
    """Multiplies the learning rate of variables, and excludes them from weight decay.

    Compiled functions must be renewed afterwards.

    Args:
        model: A compiled model.
        variables: List of trainable variables.
        factor: Non-negative float. With 0 the variables are constant.
    """
    optimizer, hooks = hook(model)
    hooks.rates.update({key_of(optimizer, variable): factor for variable in variables})


def reset_learning_rate(model: keras.Model, variables: list[keras.Variable]) -> None:
    """Restores the optimizer's learning rate for variables."""
    optimizer = updating(model.optimizer)
    hooks = hooks_of(optimizer)
    for variable in variables:
        hooks.rates.pop(key_of(optimizer, variable), None)
    unhook(model)
