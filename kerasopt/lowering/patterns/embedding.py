"""Embedding to `QuantizedEmbedding`."""

from __future__ import annotations

from typing import Any

import keras

from kerasopt.graph import Group, slots_of
from kerasopt.inference.integer.activation import quantized
from kerasopt.inference.integer.embedding import QuantizedEmbedding
from kerasopt.lowering.builder import Builder
from kerasopt.lowering.patterns.contraction import output_of
from kerasopt.lowering.quantizers import output_affine
from kerasopt.lowering.values import StaysFloat, Value


def matches(group: Group) -> bool:
    layer = group.anchor.operation
    # One that may be called in reverse holds its table once, for both ways.
    is_reversible = isinstance(layer, keras.layers.ReversibleEmbedding)
    return isinstance(layer, keras.layers.Embedding) and not is_reversible


def lower(group: Group, builder: Builder) -> None:
    layer: Any = group.anchor.operation
    if output_affine(group) is None and "embeddings" not in slots_of(layer):
        raise StaysFloat("no rule quantizes it")
    output = output_of(group).affine
    made = builder.layer(
        group.anchor,
        output,
        lambda name: QuantizedEmbedding(
            layer.input_dim, layer.output_dim, output_affine=output, name=name
        ),
    )
    (value,) = builder.inputs(group.anchor)
    tensor = made(value.tensor)
    # As its quantizer rounds them, if it has one, and then for what reads them.
    rows = keras.ops.convert_to_numpy(layer.embeddings)
    made.embeddings.assign(quantized(rows, output))
    builder.put(group.output, Value(tensor, output))
