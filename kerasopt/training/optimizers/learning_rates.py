"""Learning rates of single variables."""

import keras

from kerasopt.keras_internals.optimizers import key_of
from kerasopt.training.optimizers.hooked_optimizer import hook, hooks_of, unhook, updating


def set_learning_rate(model: keras.Model, variables: list[keras.Variable], factor: float) -> None:
    """Multiplies the learning rate of some variables, and keeps weight decay off them.

    Compiled functions have to be renewed afterwards.

    Args:
        model: A compiled model.
        variables: List of trainable variables.
        factor: Float of 0 or more. With 0 the variables stay as they are.
    """
    optimizer, hooks = hook(model)
    hooks.rates.update({key_of(optimizer, variable): factor for variable in variables})


def reset_learning_rate(model: keras.Model, variables: list[keras.Variable]) -> None:
    """Gives variables the learning rate of the optimizer again."""
    optimizer = updating(model.optimizer)
    hooks = hooks_of(optimizer)
    for variable in variables:
        hooks.rates.pop(key_of(optimizer, variable), None)
    unhook(model)
