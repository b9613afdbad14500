"""Records subclassed models."""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Set
from typing import Any, NamedTuple

import keras
from keras.layers import Embedding

from kerasopt.graph.opening.call import Recording, Unrecordable
from kerasopt.graph.opening.opening import record
from kerasopt.graph.opening.symbols import of_tokens, symbols
from kerasopt.keras_internals.interception import SymbolicArguments


class _Openness(NamedTuple):
    """Which sizes of the inputs are unknown.

    Attributes:
        free: Boolean, whether those of images and sequences of vectors are.
        tokens: Which inputs, in flat order, are of integers.
        opened: Which inputs are sequences, if they are matrices.
    """

    free: bool
    tokens: Set[int] = frozenset()
    opened: Set[int] = frozenset()


# By model, what was found by trying.
_KNOWN: weakref.WeakKeyDictionary[keras.Model, _Openness] = weakref.WeakKeyDictionary()


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
    if model in _KNOWN:
        with contextlib.suppress(Unrecordable):
            return _recorded(model, _KNOWN[model])
    openness = _Openness(free=True)
    try:
        found = _recorded(model, openness)
    except Unrecordable:
        openness = _Openness(free=False)  # its code needs the sizes
        found = _recorded(model, openness)
    tokens = _looked_up(found[1])
    # Beside tokens other matrices are masks of sequences mostly; else they have features.
    for opened in (set(range(len(found[1].inputs))), tokens, set[int]()) if tokens else ():
        with contextlib.suppress(Unrecordable):
            tried = _Openness(openness.free, tokens, opened)
            found, openness = _recorded(model, tried), tried
            break
    _KNOWN[model] = openness
    return found


def _looked_up(recording: Recording) -> set[int]:
    """Returns which of the inputs are looked up in tables."""
    tables = (call for call in recording.calls if isinstance(call.operation, Embedding))
    read = {id(tensor) for call in tables for tensor in call.input_tensors}
    return {place for place, tensor in enumerate(recording.inputs) if id(tensor) in read}


def _recorded(model: keras.Model, openness: _Openness) -> tuple[Any, Recording]:
    try:
        given = symbols(model, openness.free)
    except ValueError as error:
        raise Unrecordable(str(error)) from error
    if openness.tokens:
        given = of_tokens(given, openness.tokens, openness.opened)
    arguments = SymbolicArguments(*given.args, **given.kwargs)
    recording = record(model, arguments)
    by_tensor = dict(zip(map(id, arguments.keras_tensors), recording.inputs, strict=True))
    recording.inputs[:] = [by_tensor[id(x)] for x in keras.tree.flatten(given.inputs)]
    return given.inputs, recording
