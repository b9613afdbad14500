"""Batch normalization whose statistics do not move."""

import functools

import keras

from kerasopt import graph


def freeze_statistics(model: keras.layers.Layer, frozen: bool) -> bool:
    """Makes batch normalizations use, and keep, their moving statistics in training.

    Not `layer.trainable = False`: scale and shift go on training, and files are
    to say nothing of it.

    Args:
        model: A Keras model or layer.
        frozen: Boolean, whether to freeze them, or to let them go again.

    Returns:
        Whether anything has changed. If so, the compiled functions of the model
        are stale.
    """
    changed = False
    for _, layer in graph.layers(model):
        if isinstance(layer, keras.layers.BatchNormalization) and ("call" in vars(layer)) != frozen:
            changed = True
            if frozen:
                layer.call = functools.partial(_call_in_inference_mode, layer.call)
            else:
                del vars(layer)["call"]
    return changed


def _call_in_inference_mode(call, inputs, training=None, mask=None):
    return call(inputs, training=False, mask=mask)
