"""Embedding."""

from typing import Any

import keras
from tensorflow.lite.python import schema_py_generated as schema


def embedding(node: Any, writer: Any, inputs: list[int], output: int) -> None:
    layer = node.operation
    rows = keras.ops.convert_to_numpy(layer.embeddings)
    table = writer.constant(f"{layer.name}/embeddings", rows)
    tensors = writer.buffer.subgraph.tensors
    tensors[table].quantization = tensors[output].quantization
    (indices,) = inputs
    if tensors[indices].type != schema.TensorType.INT32:
        whole = writer.buffer.tensor(f"{layer.name}/indices", writer.shape(indices), "int32")
        writer.buffer.operator("CAST", [indices], [whole], schema.CastOptionsT())
        indices = whole
    writer.buffer.operator("GATHER", [table, indices], [output], schema.GatherOptionsT(), version=2)
