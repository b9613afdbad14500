"""Arithmetic on two tensors."""

from typing import Any

from tensorflow.lite.python import schema_py_generated as schema

from kerasopt.exporters.litert.operators.clamp import clamped
from kerasopt.exporters.litert.operators.rescaling import rescale


def add(node: Any, writer: Any, inputs: list[int], output: int) -> None:
    options = schema.AddOptionsT()
    options.potScaleInt16 = False
    with clamped(node.operation, writer, output) as (options.fusedActivationFunction, target):
        writer.buffer.operator("ADD", inputs, [target], options, version=2)


def multiply(node: Any, writer: Any, inputs: list[int], output: int) -> None:
    options = schema.MulOptionsT()
    with clamped(node.operation, writer, output) as (options.fusedActivationFunction, target):
        writer.buffer.operator("MUL", inputs, [target], options, version=2)


def batch_matmul(node: Any, writer: Any, inputs: list[int], output: int) -> None:
    layer, options = node.operation, schema.BatchMatMulOptionsT()
    if layer.factor == 1.0:
        writer.buffer.operator("BATCH_MATMUL", inputs, [output], options, version=2)
        return
    sums = writer.quantized(output, f"{layer.name}/sums", layer.unscaled)
    writer.buffer.operator("BATCH_MATMUL", inputs, [sums], options, version=2)
    rescale(layer, writer, sums, output, layer.unscaled)
