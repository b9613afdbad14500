"""Records subclassed models."""

from __future__ import annotations

import contextlib
from typing import Any

import keras
from keras.layers import Embedding

from kerasopt.graph.opening.call import Recording, Unrecordable
from kerasopt.graph.opening.opening import record
from kerasopt.graph.opening.symbols import Symbols, of_tokens, symbols
from kerasopt.keras_internals.interception import SymbolicArguments


def recorded_model(model: keras.Model) -> tuple[Any, Recording]:
    """Records what the code of a model computes.

    Sizes of images and sequences stay unknown if the computation does not depend on them. Keras
    does not keep the dtypes of inputs: those that are looked up in tables are integers.

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
        given = symbols(model, free=True)
    except ValueError as error:
        raise Unrecordable(str(error)) from error
    try:
        found = _recorded(model, given)
    except Unrecordable:
        given = symbols(model)  # its code needs the sizes
        found = _recorded(model, given)
    tokens = _looked_up(found)
    # Beside tokens other matrices are masks of sequences mostly; else they have features.
    for opened in (set(range(len(found.inputs))), tokens, set[int]()) if tokens else ():
        with contextlib.suppress(Unrecordable):
            sequences = of_tokens(given, tokens, opened)
            return sequences.inputs, _recorded(model, sequences)
    return given.inputs, found


def _looked_up(recording: Recording) -> set[int]:
    """Returns which of the inputs are looked up in tables."""
    tables = (call for call in recording.calls if isinstance(call.operation, Embedding))
    read = {id(tensor) for call in tables for tensor in call.input_tensors}
    return {place for place, tensor in enumerate(recording.inputs) if id(tensor) in read}


def _recorded(model: keras.Model, given: Symbols) -> Recording:
    arguments = SymbolicArguments(*given.args, **given.kwargs)
    recording = record(model, arguments)
    by_tensor = dict(zip(map(id, arguments.keras_tensors), recording.inputs, strict=True))
    recording.inputs[:] = [by_tensor[id(x)] for x in keras.tree.flatten(given.inputs)]
    return recording
