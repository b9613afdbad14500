"""Between float32, or indices, and int8."""

from typing import Any

import keras
from onnx import TensorProto


def quantize(node: Any, writer: Any) -> None:
    (key,) = writer.keys(node)
    first = writer.tensors.is_first(key)
    writer.round(node, writer.tensors.real(key, first), first)


def dequantize(node: Any, writer: Any) -> None:
    key, *_ = writer.keys(node)  # a mask has no place in a file
    affine = node.operation.input_affine
    name = writer.tensors.name(key)
    writer.put(node, lambda output: writer.graph.dequantize(name, affine, output), None)


def embedding(node: Any, writer: Any) -> None:
    (key,) = writer.keys(node)
    layer = node.operation
    rows = keras.ops.convert_to_numpy(layer.embeddings)
    table = writer.graph.constant(f"{layer.name}/embeddings", rows)
    index = writer.tensors.name(key)
    index = writer.graph.add("Cast", [index], writer.name(node, "index"), to=TensorProto.INT64)
    writer.put(
        node,
        lambda output: writer.graph.add("Gather", [table, index], output, axis=0),
        layer.output_affine,
    )
