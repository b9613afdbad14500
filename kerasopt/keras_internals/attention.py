"""The parts of Keras' `MultiHeadAttention`."""

from typing import Any

import keras

# Attributes that hold its projections: paths to them are in files.
QUERY, KEY, VALUE, OUTPUT = "_query_dense", "_key_dense", "_value_dense", "_output_dense"
PROJECTIONS = (QUERY, KEY, VALUE, OUTPUT)
SOFTMAX = "_softmax"
# The method that makes scores, weights and what they sum up, of projected queries, keys and values.
COMPUTE = "_compute_attention"


def softmax_of(attention: Any) -> keras.Layer:
    """Returns the layer that makes weights of scores."""
    return getattr(attention, SOFTMAX)


def score_scale(attention: Any) -> float:
    """Returns what queries are multiplied with: one by the root of the size of a key."""
    return attention._inverse_sqrt_key_dim


def sliding_window(attention: Any) -> int | None:
    """Returns how many positions a query sees to each side, `None` if all."""
    return attention._sliding_window


def causal_mask(attention: Any, query: Any, value: Any) -> Any:
    """Returns the mask by which a query sees no position after its own."""
    return attention._compute_causal_mask(query, value)


def has_dropout(attention: Any) -> bool:
    """Whether some of the weights are left out in training, so that scores are computed."""
    return attention._dropout > 0


def is_plain(attention: keras.Operation, cls: Any) -> bool:
    """Whether an attention of class `cls` is along one axis, and computed as Keras has it."""
    known: Any = keras.layers.MultiHeadAttention
    layer: Any = attention
    return (
        isinstance(layer, known)
        and tuple(layer._attention_axes) == (1,)
        and not layer._flash_attention
        and not getattr(layer, "_use_gate", False)
        # A subclass may compute anything else with the same projections.
        and (cls.call, getattr(cls, COMPUTE)) == (known.call, getattr(known, COMPUTE))
    )
