"""Turns compressed models back into plain ones."""

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
    """Turns a compressed model back into a plain Keras model, in place.

    Every parametrized weight is set to the value that its layer reads: zeros
    under a mask, values on the integer grid under a quantizer. Layers get their
    original classes back, and drop-in layers become Keras layers, so the model
    saves, loads and runs without kerasopt. Activation quantizers are removed,
    since a plain layer cannot hold them: convert first if you want an integer
    model.

    Example:

    ```python
    model.fit(x, y, callbacks=[ko.callbacks.Pruning(0.8)])
    ko.finalize(model).save("model.keras")
    ```

    Args:
        model: A Keras model, or a layer. A model without parametrized weights
            is returned unchanged.
        verbose: Boolean, whether to print what was done.

    Returns:
        `model`.
    """
    weights, activations = bake(model)
    # An interrupted training may have left these.
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
        text += f" {activations} activation quantizers were removed: activations are float again."
    return text
