"""Reads weights once before a loop over time, instead of in every step."""

from __future__ import annotations

import contextlib
import contextvars
import types
from collections.abc import Iterator
from typing import Any

import keras

from kerasopt.graph.parametrized import slots_of
from kerasopt.keras_internals.layers import flattened, inner_layers

# The methods that run the steps of layers with loops.
_LOOPS = {keras.layers.RNN: "inner_loop", keras.layers.TimeDistributed: "call"}

# The values of chains, by the `id` of the chain: for one call only, so that no tensor outlives its
# graph or trace. Every thread (replica) has its own context.
_VALUES: contextvars.ContextVar[dict[int, Any]] = contextvars.ContextVar("values")


def value_read_once(chain: keras.layers.Layer) -> Any:
    """Returns the value of a chain that was read once before a loop, or `None`."""
    return _VALUES.get({}).get(id(chain))


def update_loops(root: keras.layers.Layer) -> None:
    """Makes the loops in `root` read parametrized weights once; others are left unchanged.

    This saves time, and on JAX a link's state can be assigned only outside of the loop.
    """
    for layer in flattened(root):
        steps = next((name for cls, name in _LOOPS.items() if isinstance(layer, cls)), None)
        if steps is None:
            continue
        if any(slots_of(inner) for inner in inner_layers(layer)):
            # Not by changing the class: wrappers such as Bidirectional serialize the class by
            # themselves. A method is copied together with its layer.
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
    """Reads the parametrized weights of a layer and its inner layers once for all reads inside.

    Functions that are traced inside see these values as constants.
    """
    values = dict(_VALUES.get({}))
    for inner in flattened(layer):
        for view in getattr(inner, "weight_views", ()):
            if id(view.chain) not in values:  # otherwise an outer context has read it
                values[id(view.chain)] = view.read()
    token = _VALUES.set(values)
    try:
        yield
    finally:
        _VALUES.reset(token)
