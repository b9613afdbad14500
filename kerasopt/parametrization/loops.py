"""Weights that are read once: by a loop over time before it, and not in every step."""

from __future__ import annotations

import contextlib
import contextvars
import types
from collections.abc import Iterator
from typing import Any

import keras

from kerasopt.graph.parametrized import slots_of
from kerasopt.keras_internals.layers import flattened, inner_layers

# What runs the steps of a layer that calls other layers in each of them.
_LOOPS = {keras.layers.RNN: "inner_loop", keras.layers.TimeDistributed: "call"}

# The values of chains, by the `id` of the chain: for one call only, so that no tensor outlives the
# graph or the trace that it belongs to. A thread (a replica) has a context of its own.
_VALUES: contextvars.ContextVar[dict[int, Any]] = contextvars.ContextVar("values")


def value_read_once(chain: keras.layers.Layer) -> Any:
    """Returns what a chain gave when it was read once for all, `None` if it was not."""
    return _VALUES.get({}).get(id(chain))


def update_loops(root: keras.layers.Layer) -> None:
    """Makes the loops in `root` read parametrized weights once, those without any as before.

    Beside the time that it takes, JAX can assign a link's state only outside of the loop.
    """
    for layer in flattened(root):
        steps = next((name for cls, name in _LOOPS.items() if isinstance(layer, cls)), None)
        if steps is None:
            continue
        if any(slots_of(inner) for inner in inner_layers(layer)):
            # Not by another class: a layer around this one, as Bidirectional, writes down and
            # loads the class by itself. A method is copied together with its layer.
            vars(layer)[steps] = types.MethodType(_RUNS[steps], layer)
        else:
            vars(layer).pop(steps, None)


def _inner_loop(self, *args, **kwargs):
    with weights_read_once(self):
        return type(self).inner_loop(self, *args, **kwargs)


def _call(self, *args, **kwargs):
    with weights_read_once(self):
        return type(self).call(self, *args, **kwargs)


_RUNS = {"inner_loop": _inner_loop, "call": _call}


@contextlib.contextmanager
def weights_read_once(layer: keras.layers.Layer) -> Iterator[None]:
    """Reads the parametrized weights of a layer, and of those inside it, once for all reads inside.

    What is traced inside has the values of what was read before it as constants.
    """
    values = dict(_VALUES.get({}))
    for inner in flattened(layer):
        for view in getattr(inner, "weight_views", ()):
            if id(view.chain) not in values:  # else it is read once around this
                values[id(view.chain)] = view.read()
    token = _VALUES.set(values)
    try:
        yield
    finally:
        _VALUES.reset(token)
