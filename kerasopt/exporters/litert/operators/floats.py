"""Integer layers that LiteRT computes in float32, between DEQUANTIZE and QUANTIZE."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from kerasopt.exporters.litert.operators import boundaries
from kerasopt.exporters.litert.splice import splice_function


def activation(node: Any, writer: Any, inputs: list[int], output: int) -> None:
    compute_in_float(node, writer, inputs, output, node.operation.apply)


def average_pooling(node: Any, writer: Any, inputs: list[int], output: int) -> None:
    layer = node.operation
    arguments = layer.pool_size, layer.strides, layer.padding
    compute_in_float(node, writer, inputs, output, lambda x: keras.ops.average_pool(x, *arguments))


def layer_normalization(node: Any, writer: Any, inputs: list[int], output: int) -> None:
    layer = node.operation
    gamma, beta = map(keras.ops.convert_to_numpy, (layer.gamma, layer.beta))

    def normalize(x):
        mean = tf.reduce_mean(x, -1, keepdims=True)
        variance = tf.reduce_mean(tf.math.squared_difference(x, mean), -1, keepdims=True)
        return (x - mean) * tf.math.rsqrt(variance + layer.epsilon) * gamma + beta

    compute_in_float(node, writer, inputs, output, normalize)


def compute_in_float(
    node: Any, writer: Any, inputs: list[int], output: int, function: Callable[[Any], Any]
) -> None:
    """Adds what computes a function of one tensor in float32."""
    (source,) = inputs
    shapes = writer.shape(source), writer.shape(output)
    before, after = (
        writer.buffer.tensor(f"{node.operation.name}/{name}", shape, "float32")
        for name, shape in zip(("float_input", "float_output"), shapes, strict=True)
    )
    boundaries.dequantize(node, writer, inputs, before)
    specs = [tf.TensorSpec(shapes[0], "float32")]
    names = [node.path]
    splice_function(writer.buffer, lambda x: [function(x)], specs, names, [before], [after])
    boundaries.quantize(node, writer, [after], output)
