"""Float layers that hold kernels in 8 bits or fewer, with a scale for each output channel."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from tensorflow.lite.python import schema_py_generated as schema

from kerasopt.exporters.held_constants import packed
from kerasopt.exporters.litert.flatbuffer import Quantization
from kerasopt.exporters.litert.operators.window import set_window
from kerasopt.graph import Node, activation_bounds, own_class
from kerasopt.inference.held import IntegerWeight
from kerasopt.parametrization import find_link

_ACTIVATIONS = {
    (-np.inf, np.inf): schema.ActivationFunctionType.NONE,
    (0.0, np.inf): schema.ActivationFunctionType.RELU,
    (0.0, 6.0): schema.ActivationFunctionType.RELU6,
}


def holds_int8(node: Node) -> bool:
    """Whether a call is of a layer whose kernel LiteRT can have as int8."""
    layer = node.operation
    held = _held(layer)
    return (
        own_class(layer) in _OPERATORS
        and getattr(layer, "data_format", "channels_last") == "channels_last"
        and getattr(layer, "groups", 1) == 1
        and activation_bounds(layer) in _ACTIVATIONS
        and held is not None
        and held.group is None
        and not keras.ops.convert_to_numpy(held.zero_point).any()
        # A scale for each output channel, which all of these have last.
        and held.scale.shape[0] == _channels(layer)
    )


def write(node: Any, writer: Any, inputs: list[int], output: int) -> None:
    """Adds the operator of a layer that `holds_int8`."""
    layer = node.operation
    operator, options, version = _OPERATORS[own_class(layer)](layer)
    integers, scale, axis, bits = _integers(layer)
    kernel = writer.buffer.constant(
        f"{layer.name}/kernel", integers, Quantization(scale, axis=axis)
    )
    if not writer.dynamic_range:
        _pack(writer.buffer, kernel, integers, bits)
        real = writer.buffer.tensor(f"{layer.name}/real", integers.shape, "float32")
        writer.buffer.operator("DEQUANTIZE", [kernel], [real], schema.DequantizeOptionsT(), 7)
        kernel = real
    bias = layer.bias
    bias = np.zeros(_channels(layer)) if bias is None else keras.ops.convert_to_numpy(bias)
    bias = writer.constant(f"{layer.name}/bias", bias.astype("float32"))
    bounds = activation_bounds(layer)
    assert bounds is not None
    options.fusedActivationFunction = _ACTIVATIONS[bounds]
    writer.buffer.operator(operator, [*inputs, kernel, bias], [output], options, version)


def _pack(buffer: Any, constant: int, integers: np.ndarray, bits: int) -> None:
    """Stores integers of 2 or 4 bits in so many, and those of 1 bit in 2."""
    bits = max(bits, 2)
    if bits < 8:
        tensor = buffer.subgraph.tensors[constant]
        tensor.type = getattr(schema.TensorType, f"INT{bits}")
        buffer.model.buffers[tensor.buffer].data = packed(integers, bits)


def _held(layer: Any) -> IntegerWeight | None:
    return find_link(layer, "kernel", IntegerWeight)


def _channels(layer: Any) -> int:
    shape = layer.kernel.shape
    is_depthwise = isinstance(layer, keras.layers.DepthwiseConv2D)
    return shape[-1] * shape[-2] if is_depthwise else shape[-1]


def _integers(layer: Any) -> tuple[np.ndarray, np.ndarray, int, int]:
    """Returns a kernel as LiteRT has it, its scales, the axis they belong to, and its bits."""
    held = _held(layer)
    assert held is not None
    codes, scale = keras.ops.convert_to_numpy(held.codes()), keras.ops.convert_to_numpy(held.scale)
    if isinstance(layer, keras.layers.DepthwiseConv2D):
        return codes.reshape(1, *codes.shape[:2], -1).astype("int8"), scale, 3, held.bits
    return np.moveaxis(codes, -1, 0).astype("int8"), scale, 0, held.bits


def _dense(layer: Any) -> tuple:
    options = schema.FullyConnectedOptionsT()
    options.keepNumDims = True
    return "FULLY_CONNECTED", options, 9


def _conv2d(layer: Any) -> tuple:
    options = schema.Conv2DOptionsT()
    set_window(options, layer)
    return "CONV_2D", options, 5


def _depthwise_conv2d(layer: Any) -> tuple:
    options = schema.DepthwiseConv2DOptionsT()
    set_window(options, layer)
    options.depthMultiplier = layer.depth_multiplier
    return "DEPTHWISE_CONV_2D", options, 6


_OPERATORS = {
    keras.layers.Dense: _dense,
    keras.layers.Conv2D: _conv2d,
    keras.layers.DepthwiseConv2D: _depthwise_conv2d,
}
