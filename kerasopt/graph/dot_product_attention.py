"""The steps of `keras.ops.dot_product_attention`, which Keras computes as a whole."""

from __future__ import annotations

import math
from typing import Any

import keras
from keras import ops


def is_attention(operation: keras.Operation) -> bool:
    """Whether an operation is a `keras.ops.dot_product_attention` that has such steps."""
    attention: Any = operation
    is_known = type(operation).__name__ == "DotProductAttention"
    return is_known and attention.attn_logits_soft_cap is None


def attend(
    query: Any,
    key: Any,
    value: Any,
    bias: Any = None,
    mask: Any = None,
    scale: Any = None,
    is_causal: bool = False,
) -> Any:
    """Computes what `keras.ops.dot_product_attention` does, by other operations.

    So that each of them can be quantized: two products of matrices with a softmax between them.

    Args:
        query: Tensor of shape `(batch, queries, heads, size)`.
        key: Tensor of shape `(batch, keys, groups, size)`; `groups` divides the number of heads.
        value: Tensor of the same shape.
        bias: Tensor that is added to the scores, of shape `(batch, heads, queries, keys)`, or one
            that broadcasts to it.
        mask: Boolean tensor of such a shape, `True` where a query sees a key.
        scale: What the scores are multiplied with. Defaults to 1 by the root of `size`.
        is_causal: Boolean, whether a query sees no later keys.

    Returns:
        Tensor of the shape of `query`.
    """
    groups = query.shape[2] // key.shape[2]
    if groups > 1:
        key, value = (ops.repeat(x, groups, axis=2) for x in (key, value))
    scores = ops.einsum("bqhd,bkhd->bhqk", query, key)
    scores = scores * (1.0 / math.sqrt(query.shape[-1]) if scale is None else scale)
    if bias is not None:
        scores = scores + bias
    if is_causal:
        causal = _causal(scores)
        mask = causal if mask is None else ops.logical_and(mask, causal)
    if mask is not None:
        # A query that sees no key attends to all of them equally, as in Keras.
        scores = ops.where(mask, scores, _lowest(scores.dtype))
    return ops.einsum("bhqk,bkhd->bqhd", ops.softmax(scores), value)


def _causal(scores: Any) -> Any:
    """Returns which keys are not later than the queries, by counting: sizes may be unknown."""
    ones = ops.ones_like(scores[:1, :1], dtype="int32")
    return ops.greater_equal(ops.cumsum(ones, axis=2), ops.cumsum(ones, axis=3))


def _lowest(dtype: Any) -> float:
    """Returns a number whose exponential is 0 beside that of any score."""
    return -2e4 if keras.backend.standardize_dtype(dtype) == "float16" else -1e30
