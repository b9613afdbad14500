"""Layers with a kernel."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from tensorflow.lite.python import schema_py_generated as schema

from kerasopt.exporters.litert.flatbuffer import Quantization
from kerasopt.exporters.litert.operators.clamp import clamped


def conv2d(node: Any, writer: Any, inputs: list[int], output: int) -> None:
    layer = node.operation
    kernel = np.transpose(_numpy(layer.kernel), (3, 0, 1, 2))
    constants = _constants(layer, writer, kernel, axis=0)
    options = schema.Conv2DOptionsT()
    _set_window(options, layer)
    with clamped(layer, writer, output) as (options.fusedActivationFunction, target):
        writer.buffer.operator("CONV_2D", [*inputs, *constants], [target], options, version=3)


def depthwise_conv2d(node: Any, writer: Any, inputs: list[int], output: int) -> None:
    layer = node.operation
    kernel = _numpy(layer.kernel)
    kernel = kernel.reshape(1, *kernel.shape[:2], -1)
    constants = _constants(layer, writer, kernel, axis=3)
    options = schema.DepthwiseConv2DOptionsT()
    options.depthMultiplier = layer.depth_multiplier
    _set_window(options, layer)
    with clamped(layer, writer, output) as (options.fusedActivationFunction, target):
        operands = [*inputs, *constants]
        writer.buffer.operator("DEPTHWISE_CONV_2D", operands, [target], options, version=3)


def dense(node: Any, writer: Any, inputs: list[int], output: int) -> None:
    layer = node.operation
    constants = _constants(layer, writer, _numpy(layer.kernel).T, axis=0)
    options = schema.FullyConnectedOptionsT()
    options.keepNumDims = len(writer.shape(output)) > 2
    with clamped(layer, writer, output) as (options.fusedActivationFunction, target):
        operands = [*inputs, *constants]
        writer.buffer.operator("FULLY_CONNECTED", operands, [target], options, version=5)


def _constants(layer: Any, writer: Any, kernel: np.ndarray, axis: int) -> tuple[int, int]:
    scale = _numpy(layer.kernel_scale)
    name = layer.name
    bias_scale = np.float32(layer.input_affine.scale) * scale
    return (
        writer.buffer.constant(f"{name}/kernel", kernel, Quantization(scale, axis=axis)),
        writer.buffer.constant(f"{name}/bias", _numpy(layer.bias), Quantization(bias_scale)),
    )


def _set_window(options: Any, layer: Any) -> None:
    same = layer.padding == "same"
    options.padding = schema.Padding.SAME if same else schema.Padding.VALID
    options.strideH, options.strideW = layer.strides
    options.dilationHFactor, options.dilationWFactor = layer.dilation_rate


def _numpy(variable: Any) -> np.ndarray:
    return keras.ops.convert_to_numpy(variable)
