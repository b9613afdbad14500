"""A small batch for a model, to learn the shapes of its tensors."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from kerasopt.graph import Graph

# For sizes of images and sequences that a model leaves open: some take only short ones, as their
# table of positions is, others only large ones, since they halve them several times.
_OPEN_SIZES = (32, 16, 8, 4, 64, 128, 256)


def sample_of(model: keras.Model, batch: int = 2) -> Any:
    """Returns a batch for the `call` of a model: numbers in [0, 1), and integers of 1.

    A 0 is padding to many models: the mean over no tokens at all is NaN.

    Args:
        model: A built `keras.Model`.
        batch: Number of examples.

    Raises:
        ValueError: If the shapes of the inputs are unknown.
    """
    given = Graph.of(model).input
    if given is None:
        raise ValueError(
            f"The shapes of the inputs of model '{model.name}' are unknown: build it from a "
            f"`keras.Input`, or call it on data. Received: model={model.name}"
        )

    is_open = any(None in x.shape[1:] for x in keras.tree.flatten(given))
    for size in _OPEN_SIZES if is_open else ():
        sample = _filled(given, batch, size)
        try:
            model(sample, training=False)
        except Exception:  # of any class: the model does not take this size
            continue
        return sample
    return _filled(given, batch, _OPEN_SIZES[0])


def _filled(given: Any, batch: int, open_size: int) -> Any:
    generator = np.random.default_rng(0)

    def filled(x: keras.KerasTensor) -> Any:
        sizes = [open_size if size is None else size for size in x.shape[1:]]
        numbers = generator.random((batch, *sizes), "float32")
        is_float = keras.backend.is_float_dtype(x.dtype)
        return keras.ops.cast(numbers if is_float else np.ones_like(numbers), x.dtype)

    return keras.tree.map_structure(filled, given)
