"""Operations that move int8 values."""

from typing import Any

import numpy as np
from tensorflow.lite.python import schema_py_generated as schema

from kerasopt.graph import unwrap


def reshape(node: Any, writer: Any, inputs: list[int], output: int) -> None:
    reshape_to(node, writer, inputs[0], output)


def reshape_to(node: Any, writer: Any, source: int, output: int) -> None:
    """Adds what gives a tensor the shape of `output`."""
    shape = [-1 if size is None else size for size in writer.shape(output)]
    options = schema.ReshapeOptionsT()
    options.newShape = shape
    constant = writer.constant(f"{node.operation.name}/shape", np.array(shape, "int32"))
    writer.buffer.operator("RESHAPE", [source, constant], [output], options)


def concatenate(node: Any, writer: Any, inputs: list[int], output: int) -> None:
    options = schema.ConcatenationOptionsT()
    rank = len(writer.shape(output))
    options.axis = unwrap(node.operation).axis % rank
    writer.buffer.operator("CONCATENATION", inputs, [output], options, version=2)


def pad(node: Any, writer: Any, inputs: list[int], output: int) -> None:
    # LiteRT pads int8 with the zero point, as the operation does.
    widths = np.array(unwrap(node.operation).pad_width, "int32")
    constant = writer.constant(f"{node.operation.name}/widths", widths)
    writer.buffer.operator("PAD", [*inputs, constant], [output], schema.PadOptionsT(), version=2)
