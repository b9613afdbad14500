"""The graph of a subclassed model, recorded by calling it on symbolic tensors."""

from __future__ import annotations

import contextlib
import functools
import inspect
from collections.abc import Iterator
from typing import Any

import keras

from kerasopt.graph.functional import functional_of
from kerasopt.graph.symbols import Symbols, computes_the_same, symbols
from kerasopt.graph.traversal import layers
from kerasopt.keras_internals.graphs import Functional, calls_forgotten
from kerasopt.keras_internals.layers import flattened

# The computation between the inner layers of these is not a graph, or is handled as a whole.
_WHOLE = (
    keras.layers.Bidirectional,
    keras.layers.MultiHeadAttention,
    keras.layers.RNN,
    keras.layers.Wrapper,
)


@contextlib.contextmanager
def recorded(model: keras.Model) -> Iterator[Functional]:
    """Yields a functional model that calls the layers of a model like the model itself.

    For a functional or Sequential model this is its own graph. Other models, and subclassed models
    and composite layers in them, are called on symbolic tensors, and the calls are recorded. The
    layers are those of the model; the recording leaves no trace in them. Sizes of images and
    sequences stay unknown if the computation does not depend on them.

    Args:
        model: A built `keras.Model`.

    Raises:
        ValueError: If the model cannot be called on symbolic tensors: its code depends on values or
            uses backend functions, or the shapes of its inputs are unknown.
    """
    known = functional_of(model)
    if known is not None:
        yield known
        return
    with calls_forgotten(flattened(model)):
        yield _record(model)


def _record(model: keras.Model) -> Functional:
    try:
        free = symbols(model, free=True)
        found = _called_on(model, free)
        if computes_the_same(model, free, found):
            return found
    except _REFUSALS:
        pass  # its code needs the sizes, or its result depends on them
    try:
        return _called_on(model, symbols(model))
    except _REFUSALS as error:
        raise ValueError(
            f"The graph of model '{model.name}' cannot be recorded, since calling it on symbolic "
            f"tensors fails: {str(error).splitlines()[0]} Build it with `keras.Model(inputs, "
            "outputs)`, or use only `keras.ops` in its `call`."
        ) from error


def _called_on(model: keras.Model, symbols: Symbols) -> Functional:
    composites = [layer for _, layer in layers(model) if _is_composite(layer)]
    classes = [(layer, type(layer)) for layer in composites]
    try:
        for layer, cls in classes:
            layer.__class__ = _seen_through(cls)  # type: ignore[arg-type]
        outputs = _call(model, symbols.args, symbols.kwargs)
        return keras.Model(symbols.inputs, outputs, name=model.name)
    finally:
        for layer, cls in classes:
            layer.__class__ = cls


_REFUSALS = (AttributeError, NotImplementedError, TypeError, ValueError, IndexError)


def _is_composite(layer: keras.Layer) -> bool:
    return bool(layers(layer)) and not isinstance(layer, _WHOLE) and functional_of(layer) is None


def _call(layer: keras.Layer, args: tuple, kwargs: dict[str, Any]) -> Any:
    """Calls a layer's own code in inference mode, unless the caller passes `training`."""
    bound = inspect.signature(layer.call).bind(*args, **kwargs)
    if "training" in layer.call_signature_parameters and bound.arguments.get("training") is None:
        bound.arguments["training"] = False
    return layer.call(*bound.args, **bound.kwargs)


@functools.cache
def _seen_through(base: Any) -> type:
    """Returns a subclass of layers that expand into the calls of their inner layers."""

    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        return _call(self, args, kwargs)

    return type(base.__name__, (base,), {"__call__": call})
