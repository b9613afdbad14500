"""The variables of optimizers."""

import contextlib
from collections.abc import Iterator
from typing import Any

import keras
from keras.src.utils.tracking import DotNotTrackScope

# Lists of an optimizer that are no slots, though one may be as long.
NO_SLOTS = ("_variables", "_trainable_variables")


def key_of(optimizer: keras.optimizers.Optimizer, variable: keras.Variable) -> Any:
    """Returns what an optimizer tells variables apart by."""
    return optimizer._var_key(variable)


def trained_variables(optimizer: keras.optimizers.Optimizer) -> list[keras.Variable]:
    """Returns the weights that an optimizer was built for, in the order of its slots."""
    return optimizer._trainable_variables


def tracked_variables(optimizer: keras.optimizers.Optimizer) -> list[keras.Variable]:
    """Returns the variables that an optimizer has itself, without those of one that it wraps."""
    return optimizer._variables


def set_variables(optimizer: keras.optimizers.Optimizer, variables: list[keras.Variable]) -> None:
    """Makes these the variables that an optimizer tracks."""
    # TensorFlow does not export an object with a list from which something was removed.
    with DotNotTrackScope():
        optimizer._variables = list(variables)
    is_variable, _ = optimizer._tracker.config["variables"]
    optimizer._tracker.config["variables"] = is_variable, optimizer._variables
    optimizer._tracker.stored_ids["variables"] = {id(variable) for variable in variables}


@contextlib.contextmanager
def having(
    optimizer: keras.optimizers.Optimizer, variables: list[keras.Variable]
) -> Iterator[None]:
    """Lets an optimizer have other variables for a moment, past its tracking of attributes."""
    known = optimizer._variables
    vars(optimizer)["_variables"] = variables
    try:
        yield
    finally:
        vars(optimizer)["_variables"] = known


def forget_build(optimizer: keras.optimizers.Optimizer) -> None:
    """Makes an optimizer as it was before it was built."""
    created = (optimizer._iterations, optimizer._learning_rate)
    set_variables(optimizer, [each for each in created if isinstance(each, keras.Variable)])
    optimizer._trainable_variables = []
    optimizer._trainable_variables_indices = {}
    optimizer.built = False
