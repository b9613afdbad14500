"""The table of what each layer becomes in an ONNX graph."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kerasopt.exporters.onnx.operators import (
    boundaries,
    contractions,
    elementwise,
    functions,
    moving,
    normalizations,
    pooling,
)
from kerasopt.exporters.parts import Part
from kerasopt.graph import unwrap
from kerasopt.layers import integer

# write(node, writer) adds operators to the graph of a `Writer`.
Write = Callable[[Any, Any], None]

_INTEGER_LAYERS: dict[type, Write] = {
    integer.Dequantize: boundaries.dequantize,
    integer.Quantize: boundaries.quantize,
    integer.QuantizedActivation: functions.activation,
    integer.QuantizedAdd: elementwise.add,
    integer.QuantizedAveragePooling2D: pooling.average,
    integer.QuantizedBatchMatMul: elementwise.batch_matmul,
    integer.QuantizedBatchNormalization: contractions.batch_normalization,
    integer.QuantizedConv2D: contractions.conv2d,
    integer.QuantizedConv2DTranspose: contractions.conv2d_transpose,
    integer.QuantizedDense: contractions.dense,
    integer.QuantizedDepthwiseConv2D: contractions.depthwise_conv2d,
    integer.QuantizedEmbedding: boundaries.embedding,
    integer.QuantizedGlobalAveragePooling2D: pooling.mean,
    integer.QuantizedLayerNormalization: normalizations.layer,
    integer.QuantizedMultiply: elementwise.multiply,
    integer.QuantizedSoftmax: functions.softmax,
}

# What moves int8 values, by the name of the layer or operation; others are converted in float32.
_MOVING: dict[str, Write] = {
    "Concatenate": moving.concatenate,
    "ExpandDims": moving.reshape,
    "Flatten": moving.reshape,
    "MaxPooling2D": pooling.maximum,
    "Pad": moving.pad,
    "Permute": moving.permute,
    "Reshape": moving.reshape,
    "Squeeze": moving.reshape,
}


def operator_of(part: Part) -> Write | None:
    """Returns what writes a part, or `None` if it has to be converted.

    Raises:
        ValueError: If it is an integer layer that ONNX has no form of.
    """
    layer = part.integer_layer
    if layer is not None:
        if type(layer) not in _INTEGER_LAYERS:
            raise ValueError(f"ONNX has no form of '{layer.name}' ({type(layer).__name__}).")
        return _INTEGER_LAYERS[type(layer)]
    if part.affine is None:
        return None
    write = _MOVING.get(type(unwrap(part.nodes[0].operation)).__name__)
    return write if moving.is_plain(write, part.nodes[0]) else None
