"""The table of what each layer becomes in a LiteRT file."""

from __future__ import annotations

from collections.abc import Callable

from kerasopt.exporters.litert.operators import (
    boundaries,
    contractions,
    elementwise,
    floats,
    functions,
    half,
    held_weights,
    lookup,
    moving,
    pooling,
    transposed,
)
from kerasopt.exporters.operator_table import OperatorTable
from kerasopt.exporters.parts import Part
from kerasopt.layers import integer
from kerasopt.layers.half import HalfConv2D, HalfDense

# write(node, writer, inputs, output) adds operators to the file of a `Writer`; inputs and output
# are indices of tensors.
_INTEGER_LAYERS = {
    HalfConv2D: half.conv2d,
    HalfDense: half.dense,
    integer.Dequantize: boundaries.dequantize,
    integer.DynamicDense: contractions.dynamic_dense,
    integer.Quantize: boundaries.quantize,
    integer.QuantizedActivation: functions.activation,
    integer.QuantizedAdd: elementwise.add,
    integer.QuantizedAveragePooling2D: contractions.average_pooling,
    integer.QuantizedBatchMatMul: elementwise.batch_matmul,
    integer.QuantizedBatchNormalization: contractions.batch_normalization,
    integer.QuantizedConv2D: contractions.conv2d,
    integer.QuantizedConv2DTranspose: transposed.conv2d_transpose,
    integer.QuantizedDense: contractions.dense,
    integer.QuantizedDepthwiseConv2D: contractions.depthwise_conv2d,
    integer.QuantizedEmbedding: lookup.embedding,
    integer.QuantizedGlobalAveragePooling2D: pooling.mean,
    integer.QuantizedLayerNormalization: floats.layer_normalization,
    integer.QuantizedMultiply: elementwise.multiply,
    integer.QuantizedSoftmax: functions.softmax,
}

_TABLE = OperatorTable(
    "LiteRT",
    _INTEGER_LAYERS,
    {
        "Concatenate": moving.concatenate,
        "MaxPooling2D": pooling.max_pooling,
        "Pad": moving.pad,
    },
    moving.reshape,
)


def operator_of(part: Part) -> Callable[..., None] | None:
    """Returns what writes a part, or `None` if TensorFlow's converter has to.

    Raises:
        ValueError: If it is an integer layer that LiteRT has no form of.
    """
    held = part.integer_layer is None and part.affine is None
    if held and held_weights.holds_int8(part.nodes[0]):
        return held_weights.write
    return _TABLE.of(part)
