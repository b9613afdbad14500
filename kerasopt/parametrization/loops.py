"""Weights that a loop over time reads once, before it, and not in every step."""

from __future__ import annotations

import contextlib
import contextvars
import types
from collections.abc import Iterator
from typing import Any

import keras

# What runs the steps of a layer that calls other layers in each of them.
_LOOPS = {keras.layers.RNN: "inner_loop", keras.layers.TimeDistributed: "call"}

# The values of chains, by the `id` of the chain: only while a loop runs, so that no tensor outlives
# the graph or the trace that it belongs to. A thread (a replica) has a context of its own.
_VALUES: contextvars.ContextVar[dict[int, Any]] = contextvars.ContextVar("values")


def value_before_loop(chain: keras.layers.Layer) -> Any:
    """Returns what a chain gave before the loop that is running, `None` outside of one."""
    return _VALUES.get({}).get(id(chain))


def update_loops(root: keras.layers.Layer) -> None:
    """Makes the loops in `root` read parametrized weights once, those without any as before.

    Beside the time that it takes, JAX can assign a link's state only outside of the loop.
    """
    for layer in root._flatten_layers():
        steps = next((name for cls, name in _LOOPS.items() if isinstance(layer, cls)), None)
        if steps is None:
            continue
        if any(getattr(inner, "slots", ()) for inner in layer._flatten_layers(include_self=False)):
            # Not by another class: a layer around this one, as Bidirectional, writes down and
            # loads the class by itself. A method is copied together with its layer.
            vars(layer)[steps] = types.MethodType(_RUNS[steps], layer)
        else:
            vars(layer).pop(steps, None)


def _inner_loop(self, *args, **kwargs):
    with _read_before(self):
        return type(self).inner_loop(self, *args, **kwargs)


def _call(self, *args, **kwargs):
    with _read_before(self):
        return type(self).call(self, *args, **kwargs)


_RUNS = {"inner_loop": _inner_loop, "call": _call}


@contextlib.contextmanager
def _read_before(loop: keras.layers.Layer) -> Iterator[None]:
    values = dict(_VALUES.get({}))
    for layer in loop._flatten_layers(include_self=False):
        for view in getattr(layer, "weight_views", ()):
            if id(view.chain) not in values:  # else there is a loop around this one
                values[id(view.chain)] = view.read()
    token = _VALUES.set(values)
    try:
        yield
    finally:
        _VALUES.reset(token)
