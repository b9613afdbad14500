"""MultiHeadAttention to projections, products of matrices and a softmax on integers."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import keras

from kerasopt.graph import Group, Node
from kerasopt.inference import Affine
from kerasopt.inference.integer.softmax import QuantizedSoftmax
from kerasopt.inference.masked_softmax import MaskedSoftmax
from kerasopt.keras_internals.attention import (
    KEY,
    OUTPUT,
    QUERY,
    VALUE,
    score_scale,
    sliding_window,
    softmax_of,
)
from kerasopt.lowering.builder import Builder
from kerasopt.lowering.patterns.axes import permuted
from kerasopt.lowering.patterns.contraction import Output, output_of
from kerasopt.lowering.patterns.einsum_dense import project
from kerasopt.lowering.patterns.matrix_product import multiplied
from kerasopt.lowering.quantizers import affine_of, smallest
from kerasopt.lowering.values import StaysFloat, Value
from kerasopt.parametrization import fuses_attention

# `(batch, length, heads, size)` to `(batch, heads, length, size)` and back.
_HEADS_FIRST = (2, 1, 3)
# The same, and each matrix transposed.
_TRANSPOSED = (2, 3, 1)


def matches(group: Group) -> bool:
    return isinstance(group.anchor.operation, keras.layers.MultiHeadAttention)


def lower(group: Group, builder: Builder) -> None:
    node = group.anchor
    layer: Any = node.operation
    given, edges = node.arguments, node.edges
    query, value = (builder.value(edges[id(given[name])]) for name in ("query", "value"))
    # Without a key of its own the values are the keys.
    key = value if given.get("key") is None else builder.value(edges[id(given["key"])])
    # The products of query and key are divided by the root of their size.
    queries = _projected(node, QUERY, builder, query, score_scale(layer))
    keys = _projected(node, KEY, builder, key)
    values = _projected(node, VALUE, builder, value)
    scores = multiplied(
        node,
        builder,
        (permuted(queries, _HEADS_FIRST), permuted(keys, _TRANSPOSED)),
        _affine(softmax_of(layer), "input"),
        name="_scores",
    )
    weights = builder.as_integers(
        _weights(node, builder, scores), _affine(softmax_of(layer), "output")
    )
    context = multiplied(
        node,
        builder,
        (weights, permuted(values, _HEADS_FIRST)),
        _affine(getattr(layer, OUTPUT), "input"),
        name="_context",
    )
    # It has the name of the whole.
    output = Group((dataclasses.replace(node, operation=getattr(layer, OUTPUT)),))
    context = permuted(context, _HEADS_FIRST)
    attended = project(output, builder, context, output_of(group))
    returned = [weights] if given.get("return_attention_scores") else []
    builder.put(group.output, attended, *returned)


def _weights(node: Node, builder: Builder, scores: Value) -> Value:
    """Applies the softmax, in float32 where there is a mask."""
    layer: Any = node.operation
    mask, window = builder.masks.attention(node), sliding_window(layer)
    is_causal = bool(node.arguments.get("use_causal_mask"))
    if mask is None and window is None and not is_causal:
        softmax = builder.layer(
            node,
            (scores.affine, "softmax"),
            lambda name: QuantizedSoftmax(input_affine=scores.affine, name=name),
            "_softmax",
        )
        return Value(softmax(scores.tensor), softmax.output_affine)
    spreads = fuses_attention(layer, bool(node.arguments.get("return_attention_scores")))
    masked = builder.layer(
        node,
        ("softmax", is_causal, spreads),
        lambda name: MaskedSoftmax(is_causal, window, spreads, name=name),
        "_softmax",
    )
    if mask is not None:
        mask = keras.ops.expand_dims(mask, 1)  # for all heads
    return Value(masked(builder.as_float(scores).tensor, mask=mask))


def _part(node: Node, name: str) -> Group:
    """Returns a layer inside of an attention as a group of its own."""
    dense = getattr(node.operation, name)
    return Group((Node(dense, f"{node.path}/{name}", node.keras_node, node.owner),))


def _projected(node: Node, name: str, builder: Builder, value: Value, factor: float = 1.0) -> Value:
    part = _part(node, name)
    dense = part.anchor.operation
    read = affine_of(dense, "input")
    if read is not None:
        value = builder.as_integers(value, read)
    if value.affine is None:
        raise StaysFloat("an input has no quantizer")
    affine = _affine(dense, "output")
    # Multiplied with the factor, so is the scale: the integers stay.
    scaled = Affine(affine.scale * factor, affine.zero_point)
    bounds = smallest(dense, "output") * factor, math.inf
    return project(part, builder, value, Output(scaled, bounds), factor)


def _affine(layer: keras.Layer, slot: str) -> Affine:
    affine = affine_of(layer, slot)
    if affine is None:
        raise StaysFloat("a tensor in it has no quantizer")
    return affine
