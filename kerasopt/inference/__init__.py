"""Layers that compute on int8 tensors, the output of `kerasopt.convert`."""

from kerasopt.inference.affine import Affine
from kerasopt.inference.binary import BinaryConv2D, BinaryDense
from kerasopt.inference.integer.activation import QuantizedActivation
from kerasopt.inference.integer.add import QuantizedAdd
from kerasopt.inference.integer.average_pooling import QuantizedAveragePooling2D
from kerasopt.inference.integer.batch_matmul import QuantizedBatchMatMul
from kerasopt.inference.integer.boundaries import Dequantize, Quantize
from kerasopt.inference.integer.conv2d_transpose import QuantizedConv2DTranspose
from kerasopt.inference.integer.convolutions import QuantizedConv2D, QuantizedDepthwiseConv2D
from kerasopt.inference.integer.dense import QuantizedDense
from kerasopt.inference.integer.dynamic_dense import DynamicDense
from kerasopt.inference.integer.embedding import QuantizedEmbedding
from kerasopt.inference.integer.global_average_pooling import QuantizedGlobalAveragePooling2D
from kerasopt.inference.integer.layer import IntegerLayer
from kerasopt.inference.integer.masked_softmax import MaskedSoftmax
from kerasopt.inference.integer.max_pooling import MaxPooling2D
from kerasopt.inference.integer.multiply import QuantizedMultiply
from kerasopt.inference.integer.normalization import (
    QuantizedBatchNormalization,
    QuantizedLayerNormalization,
)
from kerasopt.inference.integer.softmax import QuantizedSoftmax
from kerasopt.inference.layer import InferenceLayer
from kerasopt.inference.packed import PackedPart

__all__ = [
    "Affine",
    "BinaryConv2D",
    "BinaryDense",
    "Dequantize",
    "DynamicDense",
    "InferenceLayer",
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
