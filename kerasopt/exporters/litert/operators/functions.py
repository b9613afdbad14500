"""Elementwise functions, and softmax."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from tensorflow.lite.python import schema_py_generated as schema

from kerasopt.exporters.litert.operators import floats, piecewise
from kerasopt.exporters.litert.operators.rescaling import rescale
from kerasopt.inference import Affine

# LiteRT has these as tables, with outputs of the scale that is theirs.
_TABLES = {"LOGISTIC": Affine(1 / 256, -128), "TANH": Affine(1 / 128, 0)}
_NAMES = {"sigmoid": "LOGISTIC", "tanh": "TANH"}


def activation(node: Any, writer: Any, inputs: list[int], output: int) -> None:
    """Adds the integer operator of a function; in float32 it is computed only if there is none."""
    layer, name = node.operation, _function_name(node.operation.functions)
    linear = piecewise.of(layer.functions)
    if _keeps_integers(layer):
        rescale(layer, writer, inputs[0], output, layer.input_affine)
    elif name in _NAMES:
        _table(_NAMES[name], layer, writer, inputs, output)
    elif name == "silu":
        _silu(layer, writer, inputs, output)
    elif name in _OPERATORS and getattr(layer.functions[0], "alpha", 1.0) == 1.0:  # ELU's
        operator, options, version = _OPERATORS[name](layer.functions[0])
        writer.buffer.operator(operator, inputs, [output], options, version)
    elif linear is not None:
        piecewise.write(linear, layer, writer, inputs[0], output)
    else:
        floats.activation(node, writer, inputs, output)


def _keeps_integers(layer: Any) -> bool:
    table = keras.ops.convert_to_numpy(layer.table)
    zero_points = {layer.input_affine.zero_point, layer.output_affine.zero_point}
    return bool((table == np.arange(-128, 128)).all()) and len(zero_points) == 1


def _table(operator: str, layer: Any, writer: Any, inputs: list[int], output: int) -> None:
    if layer.output_affine == _TABLES[operator]:
        writer.buffer.operator(operator, inputs, [output], version=2)
        return
    own = _at_own_scale(operator, layer, writer, inputs)
    writer.buffer.operator("QUANTIZE", [own], [output], schema.QuantizeOptionsT(), version=2)


def _at_own_scale(operator: str, layer: Any, writer: Any, inputs: list[int]) -> int:
    own = writer.quantized(inputs[0], f"{layer.name}/{operator.lower()}", _TABLES[operator])
    writer.buffer.operator(operator, inputs, [own], version=2)
    return own


def _silu(layer: Any, writer: Any, inputs: list[int], output: int) -> None:
    gate = _at_own_scale("LOGISTIC", layer, writer, inputs)
    writer.buffer.operator("MUL", [*inputs, gate], [output], schema.MulOptionsT(), version=2)


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
    name = type(function).__name__.lower()
    return {"leakyrelu": "leaky_relu", "hardsilu": "hard_silu"}.get(name, name)


def _leaky_relu(function: Any) -> tuple:
    options = schema.LeakyReluOptionsT()
    options.alpha = getattr(function, "negative_slope", 0.2)  # the activation's own
    return "LEAKY_RELU", options, 2


def _gelu(function: Any) -> tuple:
    options = schema.GeluOptionsT()
    options.approximate = getattr(function, "approximate", False)
    return "GELU", options, 2


# Of operators on integers of any scale.
_OPERATORS: dict[str, Callable[[Any], tuple]] = {
    "elu": lambda function: ("ELU", None, 1),
    "exp": lambda function: ("EXP", schema.ExpOptionsT(), 2),
    "gelu": _gelu,
    "hard_silu": lambda function: ("HARD_SWISH", schema.HardSwishOptionsT(), 1),
    "leaky_relu": _leaky_relu,
}
