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


def computed_scores(query: Any, key: Any, mask: Any, is_causal: bool) -> Any:
    """Returns the weights of an attention layer, whichever way it computes them.

    Args:
        query: Projected queries, of shape `(batch, queries, heads, size)`.
        key: Projected keys; several heads of queries may share one of them.
        mask: Boolean, `(batch, queries, keys)` or broadcastable to it, or `None`.
        is_causal: Whether queries only see keys up to their own position.

    Returns:
        Float32 tensor of shape `(batch, heads, queries, keys)`; rows add up to 1.
    """
    query, key = (keras.ops.cast(x, "float32") for x in (query, key))
    shared = query.shape[2] // key.shape[2]
    key = keras.ops.repeat(key, shared, axis=2) if shared > 1 else key
    scores = keras.ops.einsum("bqnh,bknh->bnqk", query, key) * query.shape[-1] ** -0.5
    if mask is not None:
        mask = keras.ops.expand_dims(mask, 1) if len(mask.shape) == 3 else mask
        scores = keras.ops.where(keras.ops.cast(mask, "bool"), scores, -1e9)
    if is_causal:
        queries, keys = (keras.ops.arange(keras.ops.shape(scores)[axis]) for axis in (2, 3))
        scores = keras.ops.where(queries[:, None] >= keys, scores, -1e9)
    return keras.ops.softmax(scores, axis=-1)
