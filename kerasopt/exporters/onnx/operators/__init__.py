"""The table of what each layer becomes in an ONNX graph."""

from __future__ import annotations

from kerasopt.exporters.onnx.operators import (
    boundaries,
    contractions,
    elementwise,
    functions,
    half,
    moving,
    normalizations,
    pooling,
)
from kerasopt.exporters.operator_table import OperatorTable
from kerasopt.layers import integer
from kerasopt.layers.half import HalfConv2D, HalfDense

# write(node, writer) adds operators to the graph of a `Writer`.
_INTEGER_LAYERS = {
    HalfConv2D: half.conv2d,
    HalfDense: half.dense,
    integer.Dequantize: boundaries.dequantize,
    integer.DynamicDense: contractions.dynamic_dense,
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

TABLE = OperatorTable(
    "ONNX",
    _INTEGER_LAYERS,
    {
        "Concatenate": moving.concatenate,
        "MaxPooling2D": pooling.maximum,
        "Pad": moving.pad,
        "Permute": moving.permute,
    },
    moving.reshape,
    moves_int16=False,
)
