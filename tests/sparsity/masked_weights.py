"""Masked weights of a model, as the callback makes them."""

import keras

from kerasopt import graph
from kerasopt.parametrization import Attachments
from kerasopt.sparsity.mask import Mask
from kerasopt.sparsity.masked_weight import MaskedWeight
from kerasopt.sparsity.patterns.grouping import Grouping


def masked_weights(model: keras.Model, attachments: Attachments | None = None) -> list:
    """Masks every kernel and table of `model`."""
    attachments = attachments or Attachments(model)
    return [
        MaskedWeight(
            len(attachments.links),
            path,
            layer,
            name,
            attachments.put(path, layer, name, Mask()),
            graph.kernel_layout(layer, name),
            Grouping.elements(tuple(getattr(layer, name).shape)),
        )
        for path, layer in graph.layers(model)
        for name in graph.weight_names(layer)
    ]


def dense_model(*units: int, inputs: int = 4, **arguments) -> keras.Model:
    """Returns a model of Dense layers called `dense_0`, `dense_1` and so on."""
    keras.utils.set_random_seed(0)
    layers = [
        keras.layers.Dense(count, name=f"dense_{index}", **arguments)
        for index, count in enumerate(units)
    ]
    return keras.Sequential([keras.Input((inputs,)), *layers], name="model")
