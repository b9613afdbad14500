"""Which layers are opened, and the paths inside them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import keras

from kerasopt.graph.functional import functional_of
from kerasopt.graph.opening.call import Call
from kerasopt.graph.parametrized import own_class
from kerasopt.graph.stepwise_operation import StepwiseOperation
from kerasopt.graph.traversal import children
from kerasopt.graph.weights import kernel_names, own_variables
from kerasopt.keras_internals.attention import is_plain

# The computation between the inner layers of these is a loop, or is handled as a whole.
_KNOWN = ("keras.", "kerasopt.")
_WHOLE = (keras.layers.Bidirectional, keras.layers.RNN, keras.layers.Wrapper)


def is_composite(layer: keras.Operation) -> bool:
    """Whether a layer consists of others, of operations or of nothing, and is to be opened."""
    if _is_of_operations(layer) or _returns_its_input(layer):
        return True
    return (
        isinstance(layer, keras.Layer)
        and not isinstance(layer, _WHOLE)
        and not is_plain(layer, own_class(layer))
        and functional_of(layer) is None
        and getattr(own_class(layer), "is_opened", True)
        and any(True for _ in children(layer))
    )


def may_be_opened(layer: keras.Operation) -> bool:
    """Whether a layer is a composite, or a custom one with matrices that are no kernels."""
    return is_composite(layer) or (
        isinstance(layer, keras.Layer)
        and not own_class(layer).__module__.startswith(_KNOWN)
        and not isinstance(layer, keras.layers.Embedding)
        and not kernel_names(layer)
        and any(x.trainable and len(x.shape) > 1 for x in own_variables(layer))
    )


def is_worth_it(layer: keras.Operation, calls: Iterable[Call]) -> bool:
    """Whether a layer that `may_be_opened` is to be, given its recorded calls.

    Without inner layers that is one which multiplies with its weights, as experts do.
    """
    return is_composite(layer) or any(call.multiplies_weight for call in calls)


def _is_of_operations(layer: keras.Operation) -> bool:
    """Whether a layer without inner layers is attention, so that it is opened nevertheless."""
    return isinstance(layer, StepwiseOperation) or own_class(layer) is keras.layers.Attention


def _returns_its_input(layer: Any) -> bool:
    """Whether a custom layer does nothing in inference, as keras-hub's `DropPath`."""
    own: Any = own_class(layer)
    is_known = own.__module__.startswith(_KNOWN)
    if not isinstance(layer, keras.Layer) or is_known or layer.weights:
        return False
    tensor = keras.KerasTensor((None, 8, 8, 8))
    training = {"training": False} if "training" in layer.call_signature_parameters else {}
    try:
        return own.call(layer, tensor, **training) is tensor
    except Exception:  # of any class: it takes other arguments
        return False


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
