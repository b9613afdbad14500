"""Layer normalization."""

from __future__ import annotations

from typing import Any

import keras


def layer(node: Any, writer: Any) -> None:
    layer = node.operation
    (edge,) = node.inputs
    gamma, beta = (
        writer.graph.constant(f"{layer.name}/{name}", keras.ops.convert_to_numpy(values))
        for name, values in (("gamma", layer.gamma), ("beta", layer.beta))
    )
    x = writer.tensors.real(edge)
    writer.add(node, "LayerNormalization", [x, gamma, beta], axis=-1, epsilon=layer.epsilon)
