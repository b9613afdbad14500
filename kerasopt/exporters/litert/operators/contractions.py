"""Layers with a kernel."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from tensorflow.lite.python import schema_py_generated as schema

from kerasopt.exporters.litert.flatbuffer import Quantization
from kerasopt.exporters.litert.operators import floats, moving
from kerasopt.exporters.litert.operators.clamp import clamped
from kerasopt.exporters.litert.operators.window import padded, set_window


def conv2d(node: Any, writer: Any, inputs: list[int], output: int) -> None:
    layer = node.operation
    kernel = np.transpose(as_numpy(layer.kernel), (3, 0, 1, 2))
    constants = constants_of(layer, writer, kernel, axis=0)
    options = schema.Conv2DOptionsT()
    set_window(options, layer)
    with clamped(layer, writer, output) as (options.fusedActivationFunction, target):
        operands = [padded(layer, writer, *inputs), *constants]
        writer.buffer.operator("CONV_2D", operands, [target], options, version=3)


def depthwise_conv2d(node: Any, writer: Any, inputs: list[int], output: int) -> None:
    layer = node.operation
    kernel = as_numpy(layer.kernel)
    kernel = kernel.reshape(1, *kernel.shape[:2], -1)
    constants = constants_of(layer, writer, kernel, axis=3)
    options = schema.DepthwiseConv2DOptionsT()
    options.depthMultiplier = layer.depth_multiplier
    set_window(options, layer)
    with clamped(layer, writer, output) as (options.fusedActivationFunction, target):
        operands = [padded(layer, writer, *inputs), *constants]
        writer.buffer.operator("DEPTHWISE_CONV_2D", operands, [target], options, version=3)


def batch_normalization(node: Any, writer: Any, inputs: list[int], output: int) -> None:
    # A pointwise depthwise convolution: rows of channels are images of one column.
    layer, (source,) = node.operation, inputs
    channels = writer.shape(source)[-1]
    rank = len(writer.shape(source))
    target = output
    if rank != 4:
        image = [None, 1, 1, channels]
        source, target = (
            writer.like(index, f"{layer.name}/{name}", image)
            for index, name in ((source, "image"), (output, "image_output"))
        )
        moving.reshape_to(node, writer, inputs[0], source)
    constants = constants_of(layer, writer, as_numpy(layer.kernel).reshape(1, 1, 1, -1), axis=3)
    options = schema.DepthwiseConv2DOptionsT()
    options.padding, options.depthMultiplier = schema.Padding.VALID, 1
    options.strideH = options.strideW = 1
    with clamped(layer, writer, target) as (options.fusedActivationFunction, result):
        operands = [source, *constants]
        writer.buffer.operator("DEPTHWISE_CONV_2D", operands, [result], options, version=3)
    if target != output:
        moving.reshape_to(node, writer, target, output)


def average_pooling(node: Any, writer: Any, inputs: list[int], output: int) -> None:
    layer = node.operation
    if layer.padding == "same":
        # LiteRT averages at the scale of the input only.
        floats.average_pooling(node, writer, inputs, output)
        return
    channels = writer.shape(output)[-1]
    height, width = layer.pool_size
    scale = np.full(channels, 1 / (height * width), "float32")
    bias_scale = np.float32(layer.input_affine.scale) * scale
    ones = np.ones((1, height, width, channels), "int8")
    kernel = writer.buffer.constant(f"{layer.name}/ones", ones, Quantization(scale, axis=3))
    zeros = np.zeros(channels, "int32")
    bias = writer.buffer.constant(f"{layer.name}/bias", zeros, Quantization(bias_scale))
    options = schema.DepthwiseConv2DOptionsT()
    options.padding, options.depthMultiplier = schema.Padding.VALID, 1
    # Of a single window the stride says nothing, and NPUs take small ones only.
    options.strideH, options.strideW = (
        1 if size == 1 else stride
        for size, stride in zip(writer.shape(output)[1:3], layer.strides, strict=True)
    )
    operands = [*inputs, kernel, bias]
    writer.buffer.operator("DEPTHWISE_CONV_2D", operands, [output], options, version=3)


def dense(node: Any, writer: Any, inputs: list[int], output: int) -> None:
    layer = node.operation
    constants = constants_of(layer, writer, as_numpy(layer.kernel).T, axis=0)
    options = schema.FullyConnectedOptionsT()
    options.keepNumDims = len(writer.shape(output)) > 2
    with clamped(layer, writer, output) as (options.fusedActivationFunction, target):
        operands = [*inputs, *constants]
        writer.buffer.operator("FULLY_CONNECTED", operands, [target], options, version=5)


def dynamic_dense(node: Any, writer: Any, inputs: list[int], output: int) -> None:
    layer = node.operation
    scale = as_numpy(layer.kernel_scale)
    kernel = writer.buffer.constant(
        f"{layer.name}/kernel", as_numpy(layer.kernel).T, Quantization(scale, axis=0)
    )
    bias = writer.constant(f"{layer.name}/bias", as_numpy(layer.bias))
    options = schema.FullyConnectedOptionsT()
    options.keepNumDims = True
    operands = [*inputs, kernel, bias]
    writer.buffer.operator("FULLY_CONNECTED", operands, [output], options, version=9)


def constants_of(
    layer: Any, writer: Any, kernel: np.ndarray, axis: int, copies: int = 1
) -> tuple[int, int]:
    """Adds a kernel, in LiteRT's order, and its bias, with all channels as often as said."""
    scale = np.tile(as_numpy(layer.kernel_scale), copies)
    name = layer.name
    bias_scale = np.float32(layer.input_affine.scale) * scale
    # LiteRT adds up products of int16 in int64.
    dtype = "int32" if layer.input_affine.bits == 8 else "int64"
    bias = np.tile(as_numpy(layer.bias).astype(dtype), copies)
    return (
        writer.buffer.constant(f"{name}/kernel", kernel, Quantization(scale, axis=axis)),
        writer.buffer.constant(f"{name}/bias", bias, Quantization(bias_scale)),
    )


def as_numpy(variable: Any) -> np.ndarray:
    """Returns the values of a weight."""
    return keras.ops.convert_to_numpy(variable)
