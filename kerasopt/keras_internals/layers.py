"""What layers hold: other layers, state, functions that were traced."""

import contextlib
import functools
from collections.abc import Iterator
from typing import Any

import keras


def flattened(layer: keras.Layer) -> list[keras.Layer]:
    """Returns a layer and every layer inside it, models too, each once."""
    return layer._flatten_layers()


def inner_layers(layer: keras.Layer) -> list[keras.Layer]:
    """Returns every layer inside a layer, each once."""
    return layer._flatten_layers(include_self=False)


def held_layers(layer: keras.Layer) -> list[keras.Layer]:
    """Returns the list in which a layer has the layers that it holds itself, to read or to change.

    Files, and the order of `layer.weights`, go by the order of this list.
    """
    return layer._layers


def own_state(layer: keras.Layer) -> list[keras.Variable]:
    """Returns the variables that a layer tracks itself, also while it is frozen."""
    return [*layer._trainable_variables, *layer._non_trainable_variables]


def own_weights(layer: keras.Layer) -> list[keras.Variable]:
    """Returns those of `own_state` that train where neither they nor the layer are frozen."""
    return layer._trainable_variables


@contextlib.contextmanager
def unlocked(layer: keras.Layer) -> Iterator[None]:
    """Lets a layer take on state and layers, which one that is built refuses."""
    locked = layer._tracker.locked
    layer._tracker.unlock()
    try:
        yield
    finally:
        if locked:
            layer._tracker.lock()


def track(layer: keras.Layer, part: Any) -> None:
    """Makes a layer or variable one of those that a layer holds."""
    layer._tracker.track(part)


def untrack(layer: keras.Layer, part: Any) -> None:
    """Makes a layer forget a layer or variable that it holds."""
    if isinstance(part, keras.Variable):
        layer._untrack_variable(part)
    else:
        with unlocked(layer):
            layer._tracker.untrack(part)


@functools.cache
def attributes_of_every_layer() -> frozenset[str]:
    """Returns the names under which Keras and TensorFlow keep what layers hold once more.

    TensorFlow's begin with `_self_`, as those of a user may.
    """
    layer = keras.Layer(name="layer")
    own = set(vars(layer))
    layer.inner = keras.Layer(name="inner")
    return frozenset(own | set(vars(layer)) - {"inner"})


# Attributes in which functional models keep their layers once more.
ATTRIBUTES_OF_FUNCTIONAL = (
    "_functional",
    "_operations",
    "_operations_by_depth",
    "_nodes_by_depth",
)


def is_built(layer: keras.Layer) -> bool:
    """Returns whether a layer has its weights, or the layers that it is made of have theirs.

    Keras marks a model as built when it is called. One whose `train_step` calls its parts (a GAN)
    never is.
    """
    parts = inner_layers(layer)
    by_parts = not isinstance(layer, keras.Sequential) and bool(parts)
    return layer.built or (by_parts and all(part.built for part in parts))


def traced_functions(model: keras.Layer) -> list[str]:
    """Returns the attributes in which a model keeps what its methods `make_<attribute>` trace.

    Keras has three of them; causal language models of keras-hub keep a `generate_function`, too.
    """
    return [
        name
        for name in vars(model)
        if name.endswith("_function") and hasattr(type(model), f"make_{name}")
    ]


def is_of_applications(operation: keras.Operation, name: str) -> bool:
    """Whether `operation` is a layer that a network of `keras.applications` has for itself."""
    return any(
        cls.__name__ == name and cls.__module__.startswith("keras.src.applications")
        for cls in type(operation).__mro__
    )
