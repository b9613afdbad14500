"""The variables of optimizers."""

import contextlib
from collections.abc import Iterator
from typing import Any

import keras
from keras.src.utils.tracking import DotNotTrackScope

# Lists of an optimizer that are not slots, even if they have the same length.
NO_SLOTS = ("_variables", "_trainable_variables")


def key_of(optimizer: keras.optimizers.Optimizer, variable: keras.Variable) -> Any:
    """Returns the key by which an optimizer identifies a variable."""
    return optimizer._var_key(variable)


def trained_variables(optimizer: keras.optimizers.Optimizer) -> list[keras.Variable]:
    """Returns the weights that an optimizer was built for, in the order of its slots."""
    return optimizer._trainable_variables


def tracked_variables(optimizer: keras.optimizers.Optimizer) -> list[keras.Variable]:
    """Returns the own variables of an optimizer, without those of a wrapped one."""
    return optimizer._variables


def set_variables(optimizer: keras.optimizers.Optimizer, variables: list[keras.Variable]) -> None:
    """Sets the variables that an optimizer tracks."""
    # TensorFlow cannot export an object with a list from which items were removed.
    with DotNotTrackScope():
        optimizer._variables = list(variables)
    is_variable, _ = optimizer._tracker.config["variables"]
    optimizer._tracker.config["variables"] = is_variable, optimizer._variables
    optimizer._tracker.stored_ids["variables"] = {id(variable) for variable in variables}


@contextlib.contextmanager
def having(
    optimizer: keras.optimizers.Optimizer, variables: list[keras.Variable]
) -> Iterator[None]:
    """Temporarily replaces variables of an optimizer, bypassing its attribute tracking."""
    known = optimizer._variables
    vars(optimizer)["_variables"] = variables
    try:
        yield
    finally:
        vars(optimizer)["_variables"] = known


def forget_build(optimizer: keras.optimizers.Optimizer) -> None:
    """Resets an optimizer to its state before it was built."""
    created = (optimizer._iterations, optimizer._learning_rate)
    set_variables(optimizer, [each for each in created if isinstance(each, keras.Variable)])
    optimizer._trainable_variables = []
    optimizer._trainable_variables_indices = {}
    optimizer.built = False
