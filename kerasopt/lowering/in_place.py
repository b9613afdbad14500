"""Conversion that keeps the class of a model: each layer computes in its own place."""

from __future__ import annotations

import keras

from kerasopt.finalization import finalize
from kerasopt.graph import clone, kernel_names, layers, own_class
from kerasopt.inference.held import DynamicWeight
from kerasopt.keras_internals.graphs import Functional
from kerasopt.lowering.float_warning import warn_of_reasons
from kerasopt.lowering.held_weights import hold_weights
from kerasopt.lowering.requirements import passes_integers, rounds_activations
from kerasopt.parametrization import find_link, links_by_slot, merge_lora
from kerasopt.quantization import Quantizer

# Their graphs say all that they do.
_MADE_OF_LAYERS = (Functional, keras.Sequential)
_UNNAMED = "no rule quantizes it"


def keeps_class(model: keras.Model) -> bool:
    """Whether a model has code of its own, and no integers flow from layer to layer in it."""
    return own_class(model) not in _MADE_OF_LAYERS and not passes_integers(model)


def converted_in_place(model: keras.Model) -> keras.Model:
    """Returns a copy of a model whose layers hold their weights in the bits they have."""
    converted = clone(model)
    finalize(converted, verbose=False)
    merge_lora(converted)
    hold_weights(model, converted)
    converted.trainable = False
    if rounds_activations(model):
        warn_of_reasons(model, _float_products(model, converted))
    return converted


def _float_products(model: keras.Model, converted: keras.Model) -> dict[str, list[str]]:
    """Returns the paths of the layers that multiply floats with their kernels, by reasons."""
    found = dict(layers(converted))
    reasons: dict[str, list[str]] = {}
    for path, layer in layers(model):
        kernels = kernel_names(layer)
        if kernels and not any(find_link(found[path], name, DynamicWeight) for name in kernels):
            is_quantized = bool(links_by_slot(layer, Quantizer))
            kind = own_class(layer).__name__
            reason = f"{kind} has no form with rows that are rounded as they come"
            reasons.setdefault(reason if is_quantized else _UNNAMED, []).append(path)
    return reasons
