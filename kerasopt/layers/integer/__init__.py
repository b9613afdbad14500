"""Layers that compute on int8 tensors, the output of `kerasopt.convert`."""

from kerasopt.layers.integer.activation import QuantizedActivation
from kerasopt.layers.integer.add import QuantizedAdd
from kerasopt.layers.integer.affine import Affine
from kerasopt.layers.integer.average_pooling import QuantizedAveragePooling2D
from kerasopt.layers.integer.batch_matmul import QuantizedBatchMatMul
from kerasopt.layers.integer.binary import BinaryConv2D, BinaryDense
from kerasopt.layers.integer.boundaries import Dequantize, Quantize
from kerasopt.layers.integer.conv2d_transpose import QuantizedConv2DTranspose
from kerasopt.layers.integer.convolutions import QuantizedConv2D, QuantizedDepthwiseConv2D
from kerasopt.layers.integer.dense import QuantizedDense
from kerasopt.layers.integer.dynamic_dense import DynamicDense
from kerasopt.layers.integer.embedding import QuantizedEmbedding
from kerasopt.layers.integer.global_average_pooling import QuantizedGlobalAveragePooling2D
from kerasopt.layers.integer.layer import IntegerLayer
from kerasopt.layers.integer.masked_softmax import MaskedSoftmax
from kerasopt.layers.integer.max_pooling import MaxPooling2D
from kerasopt.layers.integer.multiply import QuantizedMultiply
from kerasopt.layers.integer.normalization import (
    QuantizedBatchNormalization,
    QuantizedLayerNormalization,
)
from kerasopt.layers.integer.packed_part import PackedPart
from kerasopt.layers.integer.softmax import QuantizedSoftmax

__all__ = [
    "Affine",
    "BinaryConv2D",
    "BinaryDense",
    "Dequantize",
    "DynamicDense",
    "IntegerLayer",
    "MaskedSoftmax",
    "MaxPooling2D",
    "PackedPart",
    "Quantize",
    "QuantizedActivation",
    "QuantizedAdd",
    "QuantizedAveragePooling2D",
    "QuantizedBatchMatMul",
    "QuantizedBatchNormalization",
    "QuantizedConv2D",
    "QuantizedConv2DTranspose",
    "QuantizedDense",
    "QuantizedDepthwiseConv2D",
    "QuantizedEmbedding",
    "QuantizedGlobalAveragePooling2D",
    "QuantizedLayerNormalization",
    "QuantizedMultiply",
    "QuantizedSoftmax",
]
