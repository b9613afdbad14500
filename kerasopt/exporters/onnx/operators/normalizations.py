"""Normalizations."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np


def batch(node: Any, writer: Any) -> None:
    layer = node.operation
    (key,) = writer.keys(node)
    first = writer.tensors.is_first(key)
    kernel, bias, scale = map(
        keras.ops.convert_to_numpy, (layer.kernel, layer.bias, layer.kernel_scale)
    )
    shape = (-1, 1, 1) if first else (-1,)
    gain = writer.graph.constant(f"{layer.name}/gain", (kernel * scale).reshape(shape))
    offset = bias * (np.float32(layer.input_affine.scale) * scale)
    offset = writer.graph.constant(f"{layer.name}/offset", offset.astype("float32").reshape(shape))
    x = writer.tensors.real(key, first)
    x = writer.graph.add("Mul", [x, gain], writer.name(node, "scaled"))
    writer.add(node, "Add", [x, offset], first)


def layer(node: Any, writer: Any) -> None:
    layer = node.operation
    (key,) = writer.keys(node)
    gamma, beta = (
        writer.graph.constant(f"{layer.name}/{name}", keras.ops.convert_to_numpy(values))
        for name, values in (("gamma", layer.gamma), ("beta", layer.beta))
    )
    x = writer.tensors.real(key)
    writer.add(node, "LayerNormalization", [x, gamma, beta], axis=-1, epsilon=layer.epsilon)
