"""Whether a file of a model will load again."""

from __future__ import annotations

import keras

from kerasopt.keras_internals.layers import flattened
from kerasopt.parametrization import is_rebuilt_from_configs
from kerasopt.warning import warn


def warn_of_configs(model: keras.Model) -> None:
    """Warns of layers that cannot be made anew from what a file says of them.

    Keras' models of classes of their own do not show it: their code creates what is in them. What
    `kerasopt.convert` makes is a functional model, whose file holds the config of each layer.
    """
    classes = {type(layer).__name__: type(layer) for layer in flattened(model)}
    with keras.saving.custom_object_scope(classes):
        bad = {layer.name: why for layer in _from_configs(model) if (why := _why_not(layer))}
    if bad:
        warn(
            f"The file of '{model.name}' will not load, since layers in it cannot be created from "
            "what their own `get_config` returns. Fix their classes; or, if the model was "
            "converted, save the quantized model instead and convert it after loading. Received: "
            f"{dict(list(bad.items())[:3])}",
        )


def _from_configs(model: keras.Model) -> list[keras.Layer]:
    """Returns the layers whose configs are in the file of a model."""
    found = []
    for layer in model.layers if is_rebuilt_from_configs(model) else ():
        found += _from_configs(layer) if isinstance(layer, keras.Model) else [layer]
    return found


def _why_not(layer: keras.Layer) -> str:
    config = keras.saving.serialize_keras_object(layer)
    try:
        keras.saving.deserialize_keras_object(config)
    except Exception as error:  # the user's code may raise anything
        # Before it, Keras repeats the whole config.
        return str(error).rpartition("Exception encountered: ")[2]
    return ""
