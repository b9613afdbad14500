"""Between float32 and int8."""

from typing import Any

from tensorflow.lite.python import schema_py_generated as schema


def quantize(node: Any, writer: Any, inputs: list[int], output: int) -> None:
    writer.buffer.operator("QUANTIZE", inputs, [output], schema.QuantizeOptionsT())


def dequantize(node: Any, writer: Any, inputs: list[int], output: int) -> None:
    values = inputs[:1]  # a mask has no place in a file
    writer.buffer.operator("DEQUANTIZE", values, [output], schema.DequantizeOptionsT(), version=2)
