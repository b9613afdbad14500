"""The calls of layers whose weights are held by links."""

from __future__ import annotations

import keras

from kerasopt.parametrization.look_up import LookUp
from kerasopt.parametrization.products import DenseProduct, EinsumProduct, ReverseProduct

# The first weight that is read through a chain decides.
_CALLS: tuple[tuple[type, tuple[str, ...], type], ...] = (
    (keras.layers.ReversibleEmbedding, ("embeddings", "reverse_embeddings"), ReverseProduct),
    (keras.layers.Embedding, ("embeddings",), LookUp),
    (keras.layers.EinsumDense, ("kernel",), EinsumProduct),
    (keras.layers.Dense, ("kernel",), DenseProduct),
)


def with_held_calls(base: type, slots: tuple[str, ...]) -> tuple[type, ...]:
    """Returns the base classes of a parametrized class of `base`."""
    classes: list[type] = [base]
    for own, weights, call in _CALLS:
        if issubclass(base, own) and set(weights) & set(slots):
            # A class that says by itself what it computes comes before.
            classes = [each for each in classes if each is not own] + [call]
    return tuple(classes)
