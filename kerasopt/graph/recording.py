"""The graph of a subclassed model, recorded by calling it on symbols."""

from __future__ import annotations

import contextlib
import functools
import inspect
from collections.abc import Iterator
from typing import Any

import keras

from kerasopt.graph.graph import functional_of
from kerasopt.graph.symbols import Symbols, computes_the_same, symbols
from kerasopt.graph.traversal import layers
from kerasopt.keras_internals.graphs import Functional, calls_forgotten
from kerasopt.keras_internals.layers import flattened

# What these compute between the layers in them is no graph, or is known as a whole.
_WHOLE = (
    keras.layers.Bidirectional,
    keras.layers.MultiHeadAttention,
    keras.layers.RNN,
    keras.layers.Wrapper,
)


@contextlib.contextmanager
def recorded(model: keras.Model) -> Iterator[Functional]:
    """Yields a functional model that calls the layers of a model as the model does.

    Of a functional or Sequential model that is its own graph. Any other one is called on symbols,
    and so are the subclassed models and composite layers in it; what they call is recorded. The
    layers are those of the model, and remember nothing of it afterwards. Sizes that it was called
    on (of images, of sequences) are left open where what it computes is the same without them.

    Args:
        model: A built `keras.Model`.

    Raises:
        ValueError: If the model cannot be called on symbols: its code looks at values, uses
            functions of the backend, or its inputs have no known shapes.
    """
    known = functional_of(model)
    if known is not None:
        yield known
        return
    with calls_forgotten(flattened(model)):
        yield _record(model)


def opened_layers(model: keras.Model) -> set[int]:
    """Returns the ids of the layers whose calls `recorded` shows, of a model without a graph."""
    if functional_of(model) is not None:
        return set()
    every = [layer for _, layer in layers(model)]
    hidden = {
        id(inner) for layer in every if isinstance(layer, _WHOLE) for _, inner in layers(layer)
    }
    return {id(layer) for layer in every} - hidden


def _record(model: keras.Model) -> Functional:
    try:
        free = symbols(model, free=True)
        found = _called_on(model, free)
        if computes_the_same(model, free, found):
            return found
    except _REFUSALS:
        pass  # its code needs the sizes, or gives another result without
    try:
        return _called_on(model, symbols(model))
    except _REFUSALS as error:
        raise ValueError(
            f"Model '{model.name}' cannot be called on symbols, so what it computes is not known: "
            f"{str(error).splitlines()[0]} Build it with `keras.Model(inputs, outputs)`, or use "
            "`keras.ops` only in its `call`."
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
    """Calls a layer's own code as for inference, unless the caller says that it trains."""
    bound = inspect.signature(layer.call).bind(*args, **kwargs)
    if "training" in layer.call_signature_parameters and bound.arguments.get("training") is None:
        bound.arguments["training"] = False
    return layer.call(*bound.args, **bound.kwargs)


@functools.cache
def _seen_through(base: Any) -> type:
    """Returns a class of layers whose calls are those of what is in them."""

    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        return _call(self, args, kwargs)

    return type(base.__name__, (base,), {"__call__": call})
