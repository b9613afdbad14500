"""The compiled functions of a model."""

import keras


def renew_functions(model: keras.layers.Layer) -> None:
    """Makes `model` trace its train, test and predict functions anew.

    A traced function goes on computing the layers as they were when it was
    traced, whatever their class is now.
    """
    for kind in ("train", "test", "predict"):
        if getattr(model, f"{kind}_function", None) is not None:
            getattr(model, f"make_{kind}_function")(force=True)
