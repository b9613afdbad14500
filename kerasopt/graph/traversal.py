"""Lists the layers of any model, including subclassed and composite ones, with their paths."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import keras

from kerasopt.graph.functional import functional_of
from kerasopt.graph.inner_operation import InnerOperation
from kerasopt.graph.parametrized import chain_name, slots_of
from kerasopt.graph.weights import own_variables
from kerasopt.keras_internals.graphs import Functional
from kerasopt.keras_internals.layers import (
    ATTRIBUTES_OF_FUNCTIONAL,
    attributes_of_every_layer,
    awaits_weights,
    held_layers,
    is_built,
)
from kerasopt.warning import warn


def layers(model: keras.Layer) -> list[tuple[str, keras.Layer]]:
    """Lists every layer of a model once, with its path.

    Functional and Sequential models, also nested ones, are expanded: their layers are listed in the
    order in which they run, by the names of the models and the layer. Layers in subclassed models
    and composite layers (custom layers, `MultiHeadAttention`, `Bidirectional`) are listed in the
    order and by the names of the attributes that hold them, which, unlike automatic layer names,
    stay the same when the model is loaded again.

    ```python
    inputs = keras.Input((5, 8))
    x = keras.layers.Bidirectional(keras.layers.LSTM(4), name="encoder")(inputs)
    [path for path, _ in layers(keras.Model(inputs, x, name="model"))]
    # ["keras_tensor", "encoder", "encoder/forward_layer", "encoder/forward_layer/cell",
    #  "encoder/backward_layer", "encoder/backward_layer/cell"]
    ```

    Args:
        model: A `keras.Model`, or a layer that holds others.

    Returns:
        List of `(path, layer)` for all layers that Keras tracks. Composite layers precede their
        inner layers; expanded models are not listed, unless they have weights of their own. A layer
        that occurs twice has its first path.
    """
    seen: set[int] = {id(model)}
    return list(_walk(model, "", seen))


def is_channels_first(model: keras.Layer) -> bool:
    """Whether images in a model have their channels first: whether any layer says so."""
    formats = {getattr(layer, "data_format", None) for _, layer in layers(model)}
    return "channels_first" in formats


def require_built(model: keras.Model) -> None:
    """Raises `ValueError` if a model is not built, and warns of layers that are not.

    Args:
        model: A `keras.Model`.
    """
    if not isinstance(model, keras.Model):
        raise TypeError(
            "`model` must be a Keras model. "
            f"Received: model={model!r} (of type {type(model).__name__})"
        )
    if not is_built(model):
        raise ValueError(
            f"Model '{model.name}' is not built, so it has no weights yet: add a `keras.Input`, "
            "call it on data, or call `model.build(input_shape)`. If it has no `call`, build all "
            f"of its parts. Received: model={model.name}"
        )
    unbuilt = [path for path, layer in layers(model) if awaits_weights(layer)]
    if unbuilt:
        warn(
            f"Some layers of model '{model.name}' are not built yet, so they are left unchanged: "
            f"call the model on data before `fit`. Received: layers={unbuilt}",
        )


def _walk(parent: keras.Layer, prefix: str, seen: set[int]) -> Iterator[tuple[str, keras.Layer]]:
    for name, layer in children(parent):
        if id(layer) in seen:
            continue
        seen.add(id(layer))
        path = prefix + name
        if functional_of(layer) is None or own_variables(layer):
            yield path, layer
        yield from _walk(layer, path + "/", seen)


def children(parent: keras.Layer) -> Iterator[tuple[str, keras.Layer]]:
    """Yields the layers and models that a layer holds, with the steps that lead to them."""
    names: set[str] = set()
    if isinstance(parent, (Functional, keras.Sequential)):
        for layer in parent.layers:
            names.add(layer.name)
            yield layer.name, layer
    # The chains of a parametrized layer are not layers of the model.
    chains = set(map(chain_name, slots_of(parent)))
    tracked = {
        id(layer): (f"_layers/{index}", layer)
        for index, layer in enumerate(held_layers(parent))
        if not isinstance(layer, keras.layers.InputLayer)
        and all(layer is not vars(parent)[name] for name in chains)
    }
    left_out = {*attributes_of_every_layer(), *ATTRIBUTES_OF_FUNCTIONAL, *chains, *names}
    for name, value in vars(parent).items():
        if isinstance(value, InnerOperation):
            name = value.key
        if name not in left_out:
            for path, layer in _layers_in(name, value):
                if tracked.pop(id(layer), None):
                    yield path, layer
    # Held in a custom container, or under the name of another layer.
    yield from tracked.values()


def _layers_in(name: str, value: Any) -> Iterator[tuple[str, keras.Layer]]:
    if isinstance(value, keras.Layer):
        yield name, value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _layers_in(f"{name}/{key}", item)
    elif isinstance(value, (list, tuple)):
        for index, item in enumerate(value):
            yield from _layers_in(f"{name}/{index}", item)
