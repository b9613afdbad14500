"""Layers with kernels of 16 bits, which ONNX computes in float32."""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx import TensorProto

from kerasopt.exporters.onnx.operators.window import window_of


def dense(node: Any, writer: Any) -> None:
    layer, graph = node.operation, writer.graph
    (edge,) = node.inputs
    kernel = _real(layer, writer, layer.kernel.numpy())
    operands = [writer.tensors.real(edge), kernel]
    sums = graph.add("MatMul", operands, writer.name(node, "product"))
    _finish(node, writer, sums, ())


def conv2d(node: Any, writer: Any) -> None:
    layer, graph = node.operation, writer.graph
    (edge,) = node.inputs
    kernel = _real(layer, writer, np.transpose(layer.kernel.numpy(), (3, 2, 0, 1)))
    sums = graph.add(
        "Conv",
        [writer.tensors.real(edge, first=True), kernel],
        writer.name(node, "sums"),
        group=layer.groups,
        dilations=layer.dilation_rate,
        **window_of(node, layer, layer.kernel_size, layer.dilation_rate),
    )
    _finish(node, writer, sums, (1, 1))


def _real(layer: Any, writer: Any, kernel: np.ndarray) -> str:
    graph = writer.graph
    stored = graph.constant(f"{layer.name}/kernel", np.ascontiguousarray(kernel))
    return graph.add("Cast", [stored], graph.unique(f"{layer.name}/real"), to=TensorProto.FLOAT)


def _finish(node: Any, writer: Any, sums: str, image: tuple[int, ...]) -> None:
    """Scales sums, if they are scaled, adds the bias, and sets the output of a layer.

    `image` has a 1 for each axis that the sums have after their channels.
    """
    layer, graph = node.operation, writer.graph
    scale, bias = (part.numpy().reshape(-1, *image) for part in (layer.kernel_scale, layer.bias))
    if (scale != 1.0).any():
        factor = graph.constant(f"{layer.name}/scale", scale)
        sums = graph.add("Mul", [sums, factor], writer.name(node, "scaled"))
    offset = graph.constant(f"{layer.name}/bias", bias)
    writer.put(node, lambda output: graph.add("Add", [sums, offset], output), None, bool(image))
