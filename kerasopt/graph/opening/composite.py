"""Which layers are opened, and the paths inside them."""

from __future__ import annotations

import keras

from kerasopt.graph.functional import functional_of
from kerasopt.graph.parametrized import own_class
from kerasopt.graph.stepwise_operation import StepwiseOperation
from kerasopt.graph.traversal import children
from kerasopt.keras_internals.attention import is_plain

# The computation between the inner layers of these is a loop, or is handled as a whole.
_WHOLE = (keras.layers.Bidirectional, keras.layers.RNN, keras.layers.Wrapper)


def is_composite(layer: keras.Operation) -> bool:
    """Whether a layer consists of others, or of operations, and is to be opened."""
    return _is_of_operations(layer) or (
        isinstance(layer, keras.Layer)
        and not isinstance(layer, _WHOLE)
        and not is_plain(layer, own_class(layer))
        and functional_of(layer) is None
        and getattr(own_class(layer), "is_opened", True)
        and any(True for _ in children(layer))
    )


def _is_of_operations(layer: keras.Operation) -> bool:
    """Whether a layer without inner layers is attention, so that it is opened nevertheless."""
    return isinstance(layer, StepwiseOperation) or own_class(layer) is keras.layers.Attention


def paths_inside(layer: keras.Layer) -> dict[int, str]:
    """Returns the path of each layer and model inside a layer, by its id."""
    found: dict[int, str] = {}

    def walk(parent: keras.Layer, prefix: str) -> None:
        for name, child in children(parent):
            if id(child) not in found:
                found[id(child)] = prefix + name
                walk(child, f"{prefix}{name}/")

    walk(layer, "")
    return found
