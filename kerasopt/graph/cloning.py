"""Copies of models."""

import keras
from keras.src.saving.serialization_lib import SafeModeScope


def clone(model: keras.Model) -> keras.Model:
    """Returns a functional model of new layers, with the weights of another one.

    Args:
        model: A functional or Sequential model. Code of the user's in it (a `Lambda`) is copied,
            too: it is no code of a file, since the model is at hand.
    """
    with SafeModeScope(False):
        copied = keras.models.clone_model(model)
    copied.set_weights(model.get_weights())
    return copied
