"""The contents of layers: other layers, state, traced functions."""

import contextlib
import functools
from collections.abc import Iterator
from typing import Any

import keras
from keras.src.layers.merging.base_merge import Merge


def flattened(layer: keras.Layer) -> list[keras.Layer]:
    """Returns a layer and all layers (and models) inside it, each once."""
    return layer._flatten_layers()


def inner_layers(layer: keras.Layer) -> list[keras.Layer]:
    """Returns all layers inside a layer, each once."""
    return layer._flatten_layers(include_self=False)


def held_layers(layer: keras.Layer) -> list[keras.Layer]:
    """Returns the (mutable) list of the direct inner layers of a layer.

    Its order determines that of files and of `layer.weights`.
    """
    return layer._layers


def own_state(layer: keras.Layer) -> list[keras.Variable]:
    """Returns the variables that a layer tracks itself, even if it is frozen."""
    return [*layer._trainable_variables, *layer._non_trainable_variables]


def own_weights(layer: keras.Layer) -> list[keras.Variable]:
    """Returns the weights in `own_state` (trainable unless frozen)."""
    return layer._trainable_variables


@contextlib.contextmanager
def having_weights(layer: keras.Layer, variables: list[keras.Variable]) -> Iterator[None]:
    """Temporarily gives a layer further weights of its own, without tracking them."""
    own = layer._trainable_variables
    added = {id(variable) for variable in variables}
    own += variables
    try:
        yield
    finally:
        own[:] = [variable for variable in own if id(variable) not in added]


@contextlib.contextmanager
def unlocked(layer: keras.Layer) -> Iterator[None]:
    """Allows adding state and layers to a layer that is already built."""
    locked = layer._tracker.locked
    layer._tracker.unlock()
    try:
        yield
    finally:
        if locked:
            layer._tracker.lock()


def track(layer: keras.Layer, part: Any) -> None:
    """Adds a layer or variable to those that a layer tracks."""
    layer._tracker.track(part)


def untrack(layer: keras.Layer, part: Any) -> None:
    """Removes a layer or variable from those that a layer tracks."""
    if isinstance(part, keras.Variable):
        layer._untrack_variable(part)
    else:
        with unlocked(layer):
            layer._tracker.untrack(part)


@functools.cache
def attributes_of_every_layer() -> frozenset[str]:
    """Returns the internal attributes in which Keras and TensorFlow track the contents of layers.

    TensorFlow's begin with `_self_`, like some attributes of users.
    """
    layer = keras.Layer(name="layer")
    own = set(vars(layer))
    layer.inner = keras.Layer(name="inner")
    return frozenset(own | set(vars(layer)) - {"inner"})


# Further attributes in which functional models track their layers.
ATTRIBUTES_OF_FUNCTIONAL = (
    "_functional",
    "_operations",
    "_operations_by_depth",
    "_nodes_by_depth",
)


def is_built(layer: keras.Layer) -> bool:
    """Returns whether a layer, or all of the layers that it consists of, are built.

    Keras marks a model as built when it is called. A model whose `train_step` calls its parts (a
    GAN) is never called.
    """
    parts = inner_layers(layer)
    by_parts = not isinstance(layer, keras.Sequential) and bool(parts)
    return layer.built or (by_parts and all(part.built for part in parts))


def awaits_weights(layer: keras.Layer) -> bool:
    """Returns whether a layer is not built, and may have weights once it is.

    A layer that builds its inner layers itself often leaves out those without weights.
    """
    if layer.built or isinstance(layer, Merge):
        return False
    return type(layer).build is not keras.Layer.build or any(
        map(awaits_weights, held_layers(layer))
    )


def traced_functions(model: keras.Layer) -> list[str]:
    """Returns the attributes with the functions that methods `make_<attribute>` trace.

    Keras has three of them; causal language models of keras-hub also have a `generate_function`.
    """
    return [
        name
        for name in vars(model)
        if name.endswith("_function") and hasattr(type(model), f"make_{name}")
    ]


def is_of_applications(operation: keras.Operation, name: str) -> bool:
    """Whether `operation` is a private layer of `keras.applications`."""
    return any(
        cls.__name__ == name and cls.__module__.startswith("keras.src.applications")
        for cls in type(operation).__mro__
    )
