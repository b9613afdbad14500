"""Turns parametrized layers back into plain ones."""

import keras

from kerasopt.graph.parametrized import slots_of
from kerasopt.parametrization.attachment import parametrized_layers, unparametrize_all
from kerasopt.parametrization.lora import set_own_weight
from kerasopt.parametrization.reading import ACTIVATION_SLOTS


def bake(model: keras.layers.Layer) -> tuple[int, int]:
    """Sets every parametrized weight to the value that its layer reads, and detaches.

    Compiled functions of the model are stale afterwards.

    Args:
        model: A Keras model or layer.

    Returns:
        The number of baked weights, and the number of removed chains of inputs
        and outputs, which cannot be baked.
    """
    weights = activations = 0
    for layer in parametrized_layers(model):
        for slot in slots_of(layer):
            if slot in ACTIVATION_SLOTS:
                activations += 1
            else:
                set_own_weight(layer, slot, getattr(layer, slot).value)
                weights += 1
    unparametrize_all(model)
    return weights, activations
