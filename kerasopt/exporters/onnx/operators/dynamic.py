"""Layers with an int8 kernel on float rows, which are rounded as they come."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from onnx import TensorProto

from kerasopt.exporters.onnx.integer_products import OFFSET

# Of a row, as in `kerasopt.ops.reference.dynamic_matmul`.
_SMALLEST = np.float32(2.0**-100)


def dense(node: Any, writer: Any) -> None:
    """Dense on float rows, which are rounded to int8, each by its own scale."""
    layer, graph = node.operation, writer.graph
    (edge,) = node.inputs
    codes, scale = _rounded_rows(node, writer, writer.tensors.real(edge))
    kernel = graph.constant(f"{layer.name}/kernel", keras.ops.convert_to_numpy(layer.kernel))
    middle = graph.constant(writer.name(node, "zero_point"), np.uint8(OFFSET))
    sums = graph.add("MatMulInteger", [codes, kernel, middle], writer.name(node, "sums"))
    real = graph.add("Cast", [sums], writer.name(node, "real"), to=TensorProto.FLOAT)
    scales = graph.constant(f"{layer.name}/scale", keras.ops.convert_to_numpy(layer.kernel_scale))
    real = graph.add("Mul", [real, scales], writer.name(node, "scaled"))
    product = graph.add("Mul", [real, scale], writer.name(node, "product"))
    bias = graph.constant(f"{layer.name}/bias", keras.ops.convert_to_numpy(layer.bias))
    writer.put(node, lambda output: graph.add("Add", [product, bias], output), None)


def _rounded_rows(node: Any, writer: Any, x: str) -> tuple[str, str]:
    """Rounds rows to whole numbers from -127 to 127; returns them as unsigned bytes, and scales."""
    graph = writer.graph

    def add(kind: str, *inputs: str, **how: Any) -> str:
        return graph.add(kind, inputs, writer.name(node, kind.lower()), **how)

    def number(value: Any) -> str:
        return graph.constant(writer.name(node, "number"), value)

    largest = add("ReduceMax", add("Abs", x), number(np.array([-1])), keepdims=1)
    scale = add("Max", add("Mul", largest, number(np.float32(1 / 127))), number(_SMALLEST))
    shifted = add("Add", add("Round", add("Div", x, scale)), number(np.float32(OFFSET)))
    return add("Cast", shifted, to=TensorProto.UINT8), scale
