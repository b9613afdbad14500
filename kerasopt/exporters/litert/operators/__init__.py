"""The table of what each layer becomes in a LiteRT file."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kerasopt.exporters.litert.operators import (
    boundaries,
    contractions,
    elementwise,
    floats,
    functions,
    held_weights,
    lookup,
    moving,
    pooling,
)
from kerasopt.exporters.parts import Part
from kerasopt.graph import unwrap
from kerasopt.layers import integer

# write(node, writer, inputs, output) adds operators to the file of a `Writer`; inputs and output
# are indices of tensors.
Write = Callable[[Any, Any, list[int], int], None]

_INTEGER_LAYERS: dict[type, Write] = {
    integer.Dequantize: boundaries.dequantize,
    integer.Quantize: boundaries.quantize,
    integer.QuantizedActivation: functions.activation,
    integer.QuantizedAdd: elementwise.add,
    integer.QuantizedAveragePooling2D: contractions.average_pooling,
    integer.QuantizedBatchMatMul: elementwise.batch_matmul,
    integer.QuantizedBatchNormalization: contractions.batch_normalization,
    integer.QuantizedConv2D: contractions.conv2d,
    integer.QuantizedConv2DTranspose: contractions.conv2d_transpose,
    integer.QuantizedDense: contractions.dense,
    integer.QuantizedDepthwiseConv2D: contractions.depthwise_conv2d,
    integer.QuantizedEmbedding: lookup.embedding,
    integer.QuantizedGlobalAveragePooling2D: pooling.mean,
    integer.QuantizedLayerNormalization: floats.layer_normalization,
    integer.QuantizedMultiply: elementwise.multiply,
    integer.QuantizedSoftmax: functions.softmax,
}

# What moves int8 values, by the name of the layer or operation; others are converted in float32.
_MOVING: dict[str, Write] = {
    "Concatenate": moving.concatenate,
    "ExpandDims": moving.reshape,
    "Flatten": moving.reshape,
    "MaxPooling2D": pooling.max_pooling,
    "Pad": moving.pad,
    "Reshape": moving.reshape,
    "Squeeze": moving.reshape,
}


def operator_of(part: Part) -> Write | None:
    """Returns what writes a part, or `None` if TensorFlow's converter has to.

    Raises:
        ValueError: If it is an integer layer that LiteRT has no form of.
    """
    layer = part.integer_layer
    if layer is not None:
        if type(layer) not in _INTEGER_LAYERS:
            raise ValueError(
                f"LiteRT has no form of '{layer.name}' ({type(layer).__name__}). Export with "
                "format='tf_saved_model'."
            )
        return _INTEGER_LAYERS[type(layer)]
    if part.affine is None:
        return held_weights.write if held_weights.holds_int8(part.nodes[0]) else None
    write = _MOVING.get(type(unwrap(part.nodes[0].operation)).__name__)
    return write if write is not moving.reshape or moving.is_plain(part.nodes[0]) else None
