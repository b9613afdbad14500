"""The graph of a subclassed model, recorded by calling it on symbols."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator
from typing import Any

import keras
from keras.src.models.functional import Functional

from kerasopt.graph.graph import functional_of
from kerasopt.graph.traversal import layers

# What these compute between the layers in them is no graph, or is known as a whole.
_WHOLE = (keras.layers.MultiHeadAttention, keras.layers.RNN, keras.layers.Wrapper)


@contextlib.contextmanager
def recorded(model: keras.Model) -> Iterator[Functional]:
    """Yields a functional model that calls the layers of a model as the model does.

    Of a functional or Sequential model that is its own graph. Any other one is called on symbols,
    and so are the subclassed models and composite layers in it; what they call is recorded. The
    layers are those of the model, and remember nothing of it afterwards.

    Args:
        model: A built `keras.Model`.

    Raises:
        ValueError: If the model cannot be called on symbols: its code looks at values, uses
            functions of the backend, or its input has no known shape.
    """
    known = functional_of(model)
    if known is not None:
        yield known
        return
    counts = [(layer, len(layer._inbound_nodes)) for layer in model._flatten_layers()]
    try:
        yield _record(model)
    finally:
        for layer, count in counts:
            del layer._inbound_nodes[count:]


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
    composites = [layer for _, layer in layers(model) if _is_composite(layer)]
    classes = [(layer, type(layer)) for layer in composites]
    try:
        inputs = _symbols(model)
        for layer, cls in classes:
            layer.__class__ = _seen_through(cls)  # type: ignore[arg-type]
        return keras.Model(inputs, model.call(inputs), name=model.name)
    except _REFUSALS as error:
        raise ValueError(
            f"Model '{model.name}' cannot be called on symbols, so what it computes is not known: "
            f"{str(error).splitlines()[0]} Build it with `keras.Model(inputs, outputs)`, or use "
            "`keras.ops` only in its `call`."
        ) from error
    finally:
        for layer, cls in classes:
            layer.__class__ = cls


_REFUSALS = (AttributeError, NotImplementedError, TypeError, ValueError, IndexError)


def _is_composite(layer: keras.Layer) -> bool:
    return bool(layers(layer)) and not isinstance(layer, _WHOLE) and functional_of(layer) is None


@functools.cache
def _seen_through(base: Any) -> type:
    """Returns a class of layers whose calls are those of what is in them."""

    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        return base.call(self, *args, **kwargs)

    return type(base.__name__, (base,), {"__call__": call})


def _symbols(model: keras.Model) -> Any:
    config = model.get_build_config() or {}
    shape = config.get("input_shape")
    if shape is None or not all(isinstance(size, int | None) for size in shape):
        raise ValueError("the shape of its input is not known, or it has several.")
    return keras.Input(batch_shape=(None, *shape[1:]), dtype=model.input_dtype)
