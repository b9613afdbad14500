"""Finds the parts of a model that can be read."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from typing import Any, NamedTuple

import keras

from kerasopt import graph
from kerasopt.graph import Rule
from kerasopt.keras_internals.attention import COMPUTE
from kerasopt.keras_internals.graphs import operations_of
from kerasopt.keras_internals.layers import flattened
from kerasopt.training.taps.tap import Tap

_LOOPS = (keras.layers.RNN, keras.layers.TimeDistributed)


class Place(NamedTuple):
    """A layer or operation that a step calls, and what is read of it."""

    path: str
    operation: Any
    tap: Tap


def find(model: keras.Model, tap: Tap) -> Place:
    """Returns the place of a tap in a model.

    Raises:
        ValueError: If it matches nothing, or more than one layer, if that is in the loop of
            another one, or is no attention.
    """
    rule = Rule(tap.selector, None)
    known = list(everything(model))
    matches = [(path, each) for path, each in known if rule.matches(path, each)]
    if len(matches) != 1:
        raise ValueError(_no_match(model, tap, [path for path, _ in known], matches))
    path, operation = matches[0]
    for loop, around in known:
        if isinstance(around, _LOOPS) and operation is not around:
            if any(operation is each for each in flattened(around)):
                raise ValueError(
                    f"'{path}' runs in the loop of '{loop}', so a step does not have its tensors: "
                    f"tap the output of '{loop}'. Received: the tap {tap}"
                )
    if tap.of in ("scores", "projections") and not hasattr(operation, COMPUTE):
        raise ValueError(
            f"Only a `keras.layers.MultiHeadAttention` or a subclass has {tap.of}; of an attention "
            "of your own tap the layers that make queries, keys and values. "
            f"Received: the tap {tap}, a {type(operation).__name__}"
        )
    return Place(path, operation, tap)


def everything(model: keras.Model) -> Iterator[tuple[str, Any]]:
    """Yields the path and the object of each layer, model and operation that a model calls."""
    seen: set[int] = {id(model)}
    for path, layer in graph.layers(model):
        if not isinstance(layer, keras.layers.InputLayer) and id(layer) not in seen:
            seen.add(id(layer))
            yield path, layer
    yield from _operations(model, "", seen)


def _operations(layer: Any, prefix: str, seen: set[int]) -> Iterator[tuple[str, Any]]:
    """Yields the operations of functional models, and the models inside them."""
    functional = graph.functional_of(layer)
    if functional is None:
        return
    for operation in operations_of(functional):
        path = prefix + operation.name
        if id(operation) not in seen and not isinstance(operation, keras.layers.InputLayer):
            seen.add(id(operation))
            yield path, operation
        yield from _operations(operation, f"{path}/", seen)


def _no_match(model: keras.Model, tap: Tap, paths: list[str], matches: list) -> str:
    if matches:
        found = [path for path, _ in matches]
        return (
            f"A tap must match one layer, but {tap} matches {len(found)} of model '{model.name}': "
            f"name the one that you mean. Received: {found[:6]}"
        )
    near: list[str] = []
    if isinstance(tap.selector, str):
        near = difflib.get_close_matches(tap.selector, paths, n=3)
    advice = f"similar paths are {near}" if near else "`kerasopt.graph.layers(model)` lists paths"
    return f"The tap {tap} matches no layer of model '{model.name}': {advice}. Received: {tap}"
