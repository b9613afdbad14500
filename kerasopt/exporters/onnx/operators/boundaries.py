"""Between float32, or indices, and int8."""

from typing import Any

import keras
from onnx import TensorProto


def quantize(node: Any, writer: Any) -> None:
    (edge,) = node.inputs
    first = writer.tensors.is_first(edge)
    writer.round(node, writer.tensors.real(edge, first), first)


def dequantize(node: Any, writer: Any) -> None:
    edge, *_ = node.inputs  # a mask has no place in a file
    affine = node.operation.input_affine
    name = writer.tensors.name(edge)
    writer.put(node, lambda output: writer.graph.dequantize(name, affine, output), None)


def embedding(node: Any, writer: Any) -> None:
    (edge,) = node.inputs
    layer = node.operation
    rows = keras.ops.convert_to_numpy(layer.embeddings)
    table = writer.graph.constant(f"{layer.name}/embeddings", rows)
    index = writer.tensors.name(edge)
    index = writer.graph.add("Cast", [index], writer.name(node, "index"), to=TensorProto.INT64)
    writer.put(
        node,
        lambda output: writer.graph.add("Gather", [table, index], output, axis=0),
        layer.output_affine,
    )
