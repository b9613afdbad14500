"""Functions of single values, and softmax."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from tensorflow.lite.python import schema_py_generated as schema

from kerasopt.exporters.litert.flatbuffer import Quantization
from kerasopt.exporters.litert.operators import floats

# LiteRT has these as tables, if the output has the scale that is theirs.
_SCALES = {"LOGISTIC": (1 / 256, -128), "TANH": (1 / 128, 0)}
_NAMES = {"sigmoid": "LOGISTIC", "tanh": "TANH"}


def activation(node: Any, writer: Any, inputs: list[int], output: int) -> None:
    layer = node.operation
    name = _NAMES.get(_function_name(layer.functions), "")
    affine = layer.output_affine
    if (affine.scale, affine.zero_point) == _SCALES.get(name):
        writer.buffer.operator(name, inputs, [output], version=2)
    elif _keeps_integers(layer):
        _rescale(layer, writer, inputs, output)
    else:
        floats.activation(node, writer, inputs, output)


def _keeps_integers(layer: Any) -> bool:
    table = keras.ops.convert_to_numpy(layer.table)
    zero_points = {layer.input_affine.zero_point, layer.output_affine.zero_point}
    return bool((table == np.arange(-128, 128)).all()) and len(zero_points) == 1


def _rescale(layer: Any, writer: Any, inputs: list[int], output: int) -> None:
    """Multiplies with a constant 1 whose scale makes the same integers of another scale."""
    before, after = layer.input_affine, layer.output_affine
    ratio = Quantization(np.float32(after.scale) / np.float32(before.scale))
    one = writer.buffer.constant(f"{layer.name}/scale", np.ones(1, "int8"), ratio)
    options = schema.MulOptionsT()
    writer.buffer.operator("MUL", [*inputs, one], [output], options, version=2)


def softmax(node: Any, writer: Any, inputs: list[int], output: int) -> None:
    options = schema.SoftmaxOptionsT()
    options.beta = 1.0
    writer.buffer.operator("SOFTMAX", inputs, [output], options, version=2)


def _function_name(functions: tuple[Any, ...]) -> str:
    if len(functions) > 1:
        return ""
    (function,) = functions
    if isinstance(function, keras.layers.Activation):
        return function.activation.__name__
    return type(function).__name__.lower()
