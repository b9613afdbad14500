"""Batch normalization statistics: frozen or re-estimated."""

import functools

import keras

from kerasopt import graph
from kerasopt.quantization.batches import batches_of

_NORMALIZATION = keras.layers.BatchNormalization


def freeze_statistics(model: keras.layers.Layer, frozen: bool) -> bool:
    """Makes batch normalizations use their moving statistics in training, without updating them.

    Unlike `layer.trainable = False`, scale and shift still train, and files do
    not record it.

    Args:
        model: A Keras model or layer.
        frozen: Boolean, whether to freeze or to unfreeze them.

    Returns:
        Whether anything has changed. If so, the compiled functions of the model
        are stale.
    """
    changed = False
    for _, layer in graph.layers(model):
        if isinstance(layer, _NORMALIZATION) and ("call" in vars(layer)) != frozen:
            changed = True
            if frozen:
                layer.call = functools.partial(_call_in_inference_mode, layer.call)
            else:
                del vars(layer)["call"]
    return changed


def _call_in_inference_mode(call, inputs, training=None, mask=None):
    return call(inputs, training=False, mask=mask)


def reestimate_statistics(model: keras.Model, data, batch_size: int | None = None) -> None:
    """Re-estimates the moving statistics of batch normalizations from data.

    The moving averages lag behind the final rounded weights, which matters with few bits. Only
    batch normalizations run in training mode, and nothing else changes.

    Example:

    ```python
    model.fit(x, y, callbacks=[ko.callbacks.QuantizationAware("int4")])
    ko.quantization.reestimate_statistics(model, x[:2000], batch_size=128)
    ```

    Args:
        model: A built Keras model.
        data: Arrays of inputs, a `tf.data.Dataset` or a `keras.utils.PyDataset`. All of it is used,
            once; every batch has the same weight.
        batch_size: Integer, for arrays. Defaults to 32.

    Raises:
        ValueError: If there is no batch normalization, or no data.

    Reference:
        Sun et al., "Hybrid 8-bit Floating Point (HFP8) Training and Inference for Deep Neural
        Networks" (2019), section 3.2, re-tunes these statistics after quantization.
    """
    norms = [layer for _, layer in graph.layers(model) if isinstance(layer, _NORMALIZATION)]
    batches = [] if data is None else batches_of(data, batch_size)
    if not norms or not batches:
        raise ValueError(
            "There is nothing to re-estimate: the model has no batch normalization, or there is no "
            f"data. Received: {len(norms)} batch normalizations, {len(batches)} batches"
        )
    kept = [(layer.momentum, vars(layer).get("call")) for layer in norms]
    try:
        for layer in norms:
            layer.call = functools.partial(_call_in_training_mode, type(layer).call, layer)
        for number, batch in enumerate(batches):
            for layer in norms:
                layer.momentum = number / (number + 1)
            model(batch, training=False)
    finally:
        for layer, (momentum, call) in zip(norms, kept, strict=True):
            layer.momentum = momentum
            if call is None:
                del vars(layer)["call"]
            else:
                layer.call = call


def _call_in_training_mode(call, layer, inputs, training=None, mask=None):
    return call(layer, inputs, training=True, mask=mask)
