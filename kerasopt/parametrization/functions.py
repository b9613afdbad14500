"""The compiled functions of a model."""

import keras

from kerasopt.keras_internals.layers import traced_functions


def renew_functions(model: keras.layers.Layer) -> None:
    """Makes `model` retrace its train, test and predict functions, and similar ones.

    A traced function keeps computing the layers as they were when it was
    traced.
    """
    for name in traced_functions(model):
        if getattr(model, name) is None:
            continue
        if name in ("train_function", "test_function", "predict_function"):
            getattr(model, f"make_{name}")(force=True)
        else:
            setattr(model, name, None)  # created at the next call
