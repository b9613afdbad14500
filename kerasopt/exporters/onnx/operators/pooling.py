"""Pooling."""

from typing import Any

from kerasopt.exporters.onnx.operators.window import window_of
from kerasopt.graph import unwrap


def mean(node: Any, writer: Any) -> None:
    layer, graph = node.operation, writer.graph
    (edge,) = node.inputs
    x = writer.tensors.real(edge, first=True)
    if layer.keepdims:
        writer.add(node, "GlobalAveragePool", [x], first=True)
        return
    pixel = graph.add("GlobalAveragePool", [x], writer.name(node, "sums"))
    pixel = writer.rounded(node, pixel, writer.name(node, "pixel"))
    writer.put(node, lambda output: graph.add("Flatten", [pixel], output), layer.output_affine)


def average(node: Any, writer: Any) -> None:
    layer = node.operation
    (edge,) = node.inputs
    x = writer.tensors.real(edge, first=True)
    window = window_of(node, layer, layer.pool_size)
    writer.add(node, "AveragePool", [x], first=True, count_include_pad=0, **window)


def maximum(node: Any, writer: Any) -> None:
    (edge,) = node.inputs
    layer: Any = unwrap(node.operation)
    x, window = writer.tensors.name(edge, first=True), window_of(node, layer, layer.pool_size)
    writer.put(
        node,
        lambda output: writer.graph.add("MaxPool", [x], output, **window),
        writer.tensors.affines[edge],
        first=True,
    )
