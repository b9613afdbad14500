"""Records subclassed models."""

from __future__ import annotations

from typing import Any

import keras

from kerasopt.graph.opening.call import Recording, Unrecordable
from kerasopt.graph.opening.opening import record
from kerasopt.graph.opening.symbols import symbols
from kerasopt.keras_internals.interception import SymbolicArguments


def recorded_model(model: keras.Model) -> tuple[Any, Recording]:
    """Records what the code of a model computes.

    Sizes of images and sequences stay unknown if the computation does not depend on them.

    Args:
        model: A built `keras.Model` without a graph of its own.

    Returns:
        The symbolic inputs in the structure that the model takes, and the `Recording`, whose inputs
        are in the same flat order.

    Raises:
        Unrecordable: If its code depends on values or uses functions of a backend, or the shapes of
            its inputs are unknown.
    """
    try:
        return _recorded(model, free=True)
    except Unrecordable:
        return _recorded(model, free=False)  # its code needs the sizes


def _recorded(model: keras.Model, free: bool) -> tuple[Any, Recording]:
    try:
        given = symbols(model, free)
    except ValueError as error:
        raise Unrecordable(str(error)) from error
    arguments = SymbolicArguments(*given.args, **given.kwargs)
    recording = record(model, arguments)
    by_tensor = dict(zip(map(id, arguments.keras_tensors), recording.inputs, strict=True))
    recording.inputs[:] = [by_tensor[id(x)] for x in keras.tree.flatten(given.inputs)]
    return given.inputs, recording
