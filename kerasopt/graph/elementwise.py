"""Elementwise functions of one tensor, which are lookup tables for integers."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from kerasopt.graph.node import Node
from kerasopt.graph.operation_layer import unwrap
from kerasopt.graph.operations import own_activation

_LAYERS = (
    keras.layers.ELU,
    keras.layers.LeakyReLU,
    keras.layers.ReLU,
)
_OPERATIONS = frozenset(
    "Abs Celu Clip Elu Erf Exp Expm1 Gelu HardShrink HardSigmoid HardSilu HardTanh LeakyRelu Log1p "
    "LogSigmoid Negative ReLU Relu Relu6 Selu Sigmoid Silu SoftShrink Softplus Softsign Sqrt "
    "Square Tanh TanhShrink Threshold".split()
)
# These are elementwise functions if the other argument is a number.
_WITH_A_NUMBER = frozenset("Add Divide Multiply Subtract TrueDivide".split())
# Activations that are not elementwise.
_ALONG_AN_AXIS = frozenset(("softmax", "log_softmax", "glu", "sparsemax"))


def is_elementwise(node: Node) -> bool:
    """Whether a call is an elementwise function of its only input."""
    if len(node.inputs) != 1:
        return False
    operation = unwrap(node.operation)
    if isinstance(operation, keras.layers.Activation):
        return is_elementwise_function(operation.activation)
    if isinstance(operation, keras.layers.Rescaling):
        return np.size(operation.scale) == np.size(operation.offset) == 1
    if isinstance(operation, keras.Layer):
        return isinstance(operation, _LAYERS)
    name = type(operation).__name__
    return name in _OPERATIONS or (name in _WITH_A_NUMBER and _has_numbers_only(node))


def may_be_elementwise(operation: keras.Operation) -> bool:
    """Whether a call of `operation` may be elementwise."""
    operation = unwrap(operation)
    if isinstance(operation, keras.layers.Activation):
        return is_elementwise_function(operation.activation)
    if isinstance(operation, keras.Layer):
        return isinstance(operation, (*_LAYERS, keras.layers.Rescaling))
    return _name(operation) in _OPERATIONS | _WITH_A_NUMBER


def is_elementwise_function(function: Any) -> bool:
    """Whether an activation function of Keras is elementwise."""
    if isinstance(function, keras.Operation):
        return isinstance(function, _LAYERS)
    name = getattr(function, "__name__", "")
    known = getattr(keras.activations, name, None)
    return known is function is not None and name not in _ALONG_AN_AXIS


def is_softmax_function(function: Any) -> bool:
    """Whether an activation function is a softmax along the last axis."""
    return function is keras.activations.softmax


def known_range(operation: keras.Operation) -> tuple[float, float] | None:
    """Returns the range of a bounded function (softmax, sigmoid, tanh), or `None`.

    The range of a layer with a kernel is that of its own activation.
    """
    operation = unwrap(operation)
    function = own_activation(operation)
    if is_softmax(operation) or is_softmax_function(function):
        return 0.0, 1.0
    name = getattr(function, "__name__", _name(operation).lower())
    return {"sigmoid": (0.0, 1.0), "tanh": (-1.0, 1.0)}.get(name)


def is_softmax(operation: keras.Operation) -> bool:
    """Whether `operation` is a softmax along its last axis."""
    return softmax_axis(operation) == -1


def softmax_axis(operation: keras.Operation) -> Any:
    """Returns the axis, or the axes, of a softmax; `None` for other operations."""
    operation = unwrap(operation)
    if isinstance(operation, keras.layers.Activation):
        return -1 if operation.activation is keras.activations.softmax else None
    is_layer = isinstance(operation, keras.layers.Softmax)
    if is_layer or (not isinstance(operation, keras.Layer) and _name(operation) == "Softmax"):
        return operation.axis
    return None


def is_product(operation: keras.Operation, inputs: int) -> bool:
    """Whether `operation` multiplies two tensors elementwise."""
    operation = unwrap(operation)
    is_layer = isinstance(operation, keras.layers.Multiply)
    is_operation = not isinstance(operation, keras.Layer) and _name(operation) == "Multiply"
    return inputs == 2 and (is_layer or is_operation)


def as_number(value: Any) -> float | None:
    """Returns a constant number as a float; `None` for other arguments.

    Constant numbers are Python numbers, NumPy scalars (`np.sqrt(64)`), and arrays or tensors
    without axes, but not `keras.Variable`s, which may be trained.
    """
    if isinstance(value, (int, float)):
        return float(value)
    is_constant = isinstance(value, (np.generic, np.ndarray)) or keras.ops.is_tensor(value)
    if not is_constant or tuple(value.shape) or isinstance(value, keras.Variable):
        return None
    value = keras.ops.convert_to_numpy(value)
    return float(value) if np.issubdtype(value.dtype, np.number) else None


def _has_numbers_only(node: Node) -> bool:
    """Whether the other argument of a call is a number (and the divisor of a division)."""
    numbers = [as_number(value) is not None for value in node.keras_node.arguments.args]
    divides_it = _name(unwrap(node.operation)).endswith("Divide") and numbers[:1] == [True]
    return len(numbers) == 2 and sum(numbers) == 1 and not divides_it


def _name(operation: keras.Operation) -> str:
    return type(operation).__name__
