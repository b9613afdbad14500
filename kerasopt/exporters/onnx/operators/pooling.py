"""Pooling."""

from typing import Any

import numpy as np

from kerasopt.graph import unwrap


def mean(node: Any, writer: Any) -> None:
    layer = node.operation
    (key,) = writer.keys(node)
    first = writer.tensors.is_first(key)
    axes = writer.graph.constant(f"{layer.name}/axes", np.array([2, 3] if first else [1, 2]))
    x = writer.tensors.real(key, first)
    writer.add(node, "ReduceMean", [x, axes], first and layer.keepdims, keepdims=layer.keepdims)


def average(node: Any, writer: Any) -> None:
    layer = node.operation
    (key,) = writer.keys(node)
    x = writer.tensors.real(key, first=True)
    writer.add(node, "AveragePool", [x], first=True, count_include_pad=0, **_window(layer))


def maximum(node: Any, writer: Any) -> None:
    (key,) = writer.keys(node)
    x, window = writer.tensors.name(key, first=True), _window(unwrap(node.operation))
    writer.put(
        node,
        lambda output: writer.graph.add("MaxPool", [x], output, **window),
        writer.tensors.affines[key],
        first=True,
    )


def _window(layer: Any) -> dict[str, Any]:
    return {
        "kernel_shape": layer.pool_size,
        "strides": layer.strides,
        "auto_pad": "SAME_UPPER" if layer.padding == "same" else "VALID",
    }
