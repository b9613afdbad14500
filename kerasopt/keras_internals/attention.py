"""The parts of Keras' `MultiHeadAttention`."""

from typing import Any

import keras

# Attributes with its projections; files contain these paths.
QUERY, KEY, VALUE, OUTPUT = "_query_dense", "_key_dense", "_value_dense", "_output_dense"
PROJECTIONS = (QUERY, KEY, VALUE, OUTPUT)
SOFTMAX = "_softmax"
# The method that computes attention from projected queries, keys and values.
COMPUTE = "_compute_attention"


def softmax_of(attention: Any) -> keras.Layer:
    """Returns the softmax layer."""
    return getattr(attention, SOFTMAX)


def score_scale(attention: Any) -> float:
    """Returns the factor of the queries, one by the square root of the key size."""
    return attention._inverse_sqrt_key_dim


def sliding_window(attention: Any) -> int | None:
    """Returns the number of visible positions to each side of a query, `None` if all."""
    return attention._sliding_window


def causal_mask(attention: Any, query: Any, value: Any) -> Any:
    """Returns the causal mask."""
    return attention._compute_causal_mask(query, value)


def has_dropout(attention: Any) -> bool:
    """Whether dropout applies to the attention weights, so that scores are computed."""
    return attention._dropout > 0


def is_plain(attention: keras.Operation, cls: Any) -> bool:
    """Whether an attention layer is a plain `cls`, along one axis."""
    known: Any = keras.layers.MultiHeadAttention
    layer: Any = attention
    return (
        isinstance(layer, known)
        and tuple(layer._attention_axes) == (1,)
        and not layer._flash_attention
        and not getattr(layer, "_use_gate", False)
        # A subclass may compute anything with the same projections.
        and (cls.call, getattr(cls, COMPUTE)) == (known.call, getattr(known, COMPUTE))
    )
