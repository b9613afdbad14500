"""The table of what each layer becomes in a LiteRT file."""

from __future__ import annotations

from collections.abc import Callable

from kerasopt import inference
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
from kerasopt.inference.half import HalfConv2D, HalfDense

# write(node, writer, inputs, output) adds operators to the file of a `Writer`; inputs and output
# are indices of tensors.
_INTEGER_LAYERS = {
    HalfConv2D: half.conv2d,
    HalfDense: half.dense,
    inference.Dequantize: boundaries.dequantize,
    inference.DynamicDense: contractions.dynamic_dense,
    inference.Quantize: boundaries.quantize,
    inference.QuantizedActivation: functions.activation,
    inference.QuantizedAdd: elementwise.add,
    inference.QuantizedAveragePooling2D: contractions.average_pooling,
    inference.QuantizedBatchMatMul: elementwise.batch_matmul,
    inference.QuantizedBatchNormalization: contractions.batch_normalization,
    inference.QuantizedConv2D: contractions.conv2d,
    inference.QuantizedConv2DTranspose: transposed.conv2d_transpose,
    inference.QuantizedDense: contractions.dense,
    inference.QuantizedDepthwiseConv2D: contractions.depthwise_conv2d,
    inference.QuantizedEmbedding: lookup.embedding,
    inference.QuantizedGlobalAveragePooling2D: pooling.mean,
    inference.QuantizedLayerNormalization: floats.layer_normalization,
    inference.QuantizedMultiply: elementwise.multiply,
    inference.QuantizedSoftmax: functions.softmax,
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
    held = part.layer is None and part.affine is None
    if held and held_weights.holds_int8(part.nodes[0]):
        return held_weights.write
    return _TABLE.of(part)
