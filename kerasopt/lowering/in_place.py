"""Conversion that keeps the class of a model: each layer computes in its own place."""

from __future__ import annotations

import keras

from kerasopt.finalization import finalize
from kerasopt.graph import clone, own_class
from kerasopt.keras_internals.graphs import Functional
from kerasopt.lowering.held_weights import hold_weights
from kerasopt.parametrization import links_of_model, merge_lora
from kerasopt.quantization import ActivationQuantizer, BinaryActivation

# Their graphs say all that they do.
_MADE_OF_LAYERS = (Functional, keras.Sequential)


def keeps_class(model: keras.Model) -> bool:
    """Whether a model has code of its own, and no integers flow from layer to layer in it."""
    flowing = links_of_model(model, ActivationQuantizer | BinaryActivation)
    return own_class(model) not in _MADE_OF_LAYERS and not any(True for _ in flowing)


def converted_in_place(model: keras.Model) -> keras.Model:
    """Returns a copy of a model whose layers hold their weights in the bits they have."""
    converted = clone(model)
    finalize(converted, verbose=False)
    merge_lora(converted)
    hold_weights(model, converted)
    converted.trainable = False
    return converted
