"""Elementwise functions, and softmax, to `QuantizedActivation` and `QuantizedSoftmax`."""

from __future__ import annotations

from typing import Any

import keras

from kerasopt.graph import (
    Group,
    Node,
    as_number,
    is_elementwise,
    is_softmax,
    is_softmax_function,
    unwrap,
)
from kerasopt.inference import Affine
from kerasopt.inference.integer.activation import QuantizedActivation
from kerasopt.inference.integer.softmax import QuantizedSoftmax
from kerasopt.lowering.builder import Builder, copy_operation
from kerasopt.lowering.quantizers import output_affine
from kerasopt.lowering.values import StaysFloat, Value


def matches(group: Group) -> bool:
    return is_elementwise(group.anchor)


def lower(group: Group, builder: Builder) -> None:
    (value,) = builder.inputs(group.anchor)
    output = output_affine(group)
    if value.affine is None or output is None:
        raise StaysFloat("its input or its output has no quantizer")
    functions = [_function(node, builder) for node in group.nodes]
    builder.put(group.output, look_up(group, builder, value, functions, output))


def apply_activation(group: Group, builder: Builder, value: Value, function: Any) -> Value:
    """Applies the own activation of a layer, on integers where its output has a quantizer."""
    output = output_affine(group)
    activation = keras.layers.Activation(function, dtype="float32")
    if output is None or builder.has_int16(group):
        activation.name = builder.name(group.anchor, "_activation")
        result = Value(activation(builder.as_float(value).tensor))
        return result if output is None else builder.as_integers(result, output)
    if is_softmax_function(function):
        return soften(group, builder, value, output)
    return look_up(group, builder, value, [activation], output)


def look_up(group: Group, builder: Builder, value: Value, functions: list, output: Affine) -> Value:
    """Applies elementwise functions by a table."""
    layer = builder.layer(
        group.anchor,
        (value.affine, output, "function"),
        lambda name: QuantizedActivation(
            functions, input_affine=value.affine, output_affine=output, name=name
        ),
        "" if is_elementwise(group.anchor) else "_activation",
    )
    return Value(layer(value.tensor), output)


def soften(group: Group, builder: Builder, value: Value, output: Affine) -> Value:
    """Applies a softmax along the last axis."""
    layer = builder.layer(
        group.anchor,
        (value.affine, "softmax"),
        lambda name: QuantizedSoftmax(input_affine=value.affine, name=name),
        "" if is_softmax(group.anchor.operation) else "_activation",
    )
    result = Value(layer(value.tensor), layer.output_affine)
    return builder.as_integers(result, output)


def _function(node: Node, builder: Builder) -> keras.Operation:
    """Returns a Keras operation that takes only the tensor."""
    operation = unwrap(node.operation)
    arguments = node.keras_node.arguments
    read = [as_number(argument) for argument in arguments.args[:2]]
    numbers = [number for number in read if number is not None]
    kind = type(operation).__name__
    if isinstance(operation, keras.Layer) or not numbers or len(arguments.args) < 2:
        plain = builder.plain_operation(node)
        return plain if isinstance(plain, keras.Layer) else copy_operation(plain, plain.name)
    (number,) = numbers
    first = read[0] is not None
    scale, offset = {
        "Add": (1.0, number),
        "Subtract": (-1.0, number) if first else (1.0, -number),
        "Multiply": (number, 0.0),
    }.get(kind, (1.0 / number if number else 0.0, 0.0))
    return keras.layers.Rescaling(scale, offset, dtype="float32")
