"""Pooling."""

from typing import Any

import numpy as np
from tensorflow.lite.python import schema_py_generated as schema

from kerasopt.exporters.litert.operators.window import set_steps
from kerasopt.graph import unwrap


def mean(node: Any, writer: Any, inputs: list[int], output: int) -> None:
    layer = node.operation
    options = schema.ReducerOptionsT()
    options.keepDims = layer.keepdims
    axes = writer.constant(f"{layer.name}/axes", np.array([1, 2], "int32"))
    writer.buffer.operator("MEAN", [*inputs, axes], [output], options, version=2)


def max_pooling(node: Any, writer: Any, inputs: list[int], output: int) -> None:
    layer: Any = unwrap(node.operation)
    options = schema.Pool2DOptionsT()
    set_steps(options, layer)
    options.filterHeight, options.filterWidth = layer.pool_size
    writer.buffer.operator("MAX_POOL_2D", inputs, [output], options, version=2)
