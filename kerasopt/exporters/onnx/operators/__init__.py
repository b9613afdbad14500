"""The table of what each layer becomes in an ONNX graph."""

from __future__ import annotations

from kerasopt import inference
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
from kerasopt.inference.half import HalfConv2D, HalfDense

# write(node, writer) adds operators to the graph of a `Writer`.
_INTEGER_LAYERS = {
    HalfConv2D: half.conv2d,
    HalfDense: half.dense,
    inference.Dequantize: boundaries.dequantize,
    inference.DynamicDense: contractions.dynamic_dense,
    inference.Quantize: boundaries.quantize,
    inference.QuantizedActivation: functions.activation,
    inference.QuantizedAdd: elementwise.add,
    inference.QuantizedAveragePooling2D: pooling.average,
    inference.QuantizedBatchMatMul: elementwise.batch_matmul,
    inference.QuantizedBatchNormalization: contractions.batch_normalization,
    inference.QuantizedConv2D: contractions.conv2d,
    inference.QuantizedConv2DTranspose: contractions.conv2d_transpose,
    inference.QuantizedDense: contractions.dense,
    inference.QuantizedDepthwiseConv2D: contractions.depthwise_conv2d,
    inference.QuantizedEmbedding: boundaries.embedding,
    inference.QuantizedGlobalAveragePooling2D: pooling.mean,
    inference.QuantizedLayerNormalization: normalizations.layer,
    inference.QuantizedMultiply: elementwise.multiply,
    inference.QuantizedSoftmax: functions.softmax,
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
