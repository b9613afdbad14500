"""From compressed models back to plain ones."""

import keras

from kerasopt import graph
from kerasopt.keras_internals.layers import flattened
from kerasopt.layers.drop_in import DropIn
from kerasopt.parametrization import bake, renew_functions
from kerasopt.quantization import freeze_statistics
from kerasopt.training.model_state import ModelState
from kerasopt.training.optimizers.gradient_statistics import remove_hooks
from kerasopt.training.optimizers.trainable_variables import follow_trainable_variables


def finalize(model: keras.Model, verbose: bool = True) -> keras.Model:
    """Makes a compressed model plain Keras again, in place.

    Every parametrized weight is set to the value that its layer reads (zeros
    where a mask is, values on the integer grid where a quantizer is), and the
    layers are of their own classes again, drop-in layers of Keras': the model
    saves, loads and runs without kerasopt. Quantizers of activations have no
    place in a plain layer and are removed; convert first if you want an integer
    model.

    Example:

    ```python
    model.fit(x, y, callbacks=[ko.callbacks.Pruning(0.8)])
    ko.finalize(model).save("model.keras")
    ```

    Args:
        model: A Keras model, or a layer. A model with nothing parametrized is
            returned as it is.
        verbose: Boolean, whether to print what was done.

    Returns:
        `model`.
    """
    weights, activations = bake(model)
    # What an interrupted training may have left.
    freeze_statistics(model, False)
    if isinstance(model, keras.Model):
        remove_hooks(model)
        ModelState.remove_all(model)
    if isinstance(model, keras.Model) and model.built:
        graph.unwrap_operations(model)
    for layer in flattened(model):
        if isinstance(layer, DropIn):
            layer.become_plain()
    if isinstance(model, keras.Model):
        follow_trainable_variables(model)
    renew_functions(model)
    if verbose:
        print(_report(model, weights, activations))
    return model


def _report(model, weights, activations):
    if not weights and not activations:
        return f"'{model.name}' has no parametrized weights: nothing to finalize."
    text = f"Finalized '{model.name}': {weights} weights hold their compressed values."
    if activations:
        text += (
            f" {activations} quantizers of activations were removed: activations are float again."
        )
    return text
