"""Layers that compute on int8 tensors, the output of `kerasopt.convert`."""

from kerasopt.layers.integer.add import QuantizedAdd
from kerasopt.layers.integer.affine import Affine
from kerasopt.layers.integer.boundaries import Dequantize, Quantize
from kerasopt.layers.integer.convolutions import QuantizedConv2D, QuantizedDepthwiseConv2D
from kerasopt.layers.integer.dense import QuantizedDense
from kerasopt.layers.integer.global_average_pooling import QuantizedGlobalAveragePooling2D
from kerasopt.layers.integer.layer import IntegerLayer

__all__ = [
    "Affine",
    "Dequantize",
    "IntegerLayer",
    "Quantize",
    "QuantizedAdd",
    "QuantizedConv2D",
    "QuantizedDense",
    "QuantizedDepthwiseConv2D",
    "QuantizedGlobalAveragePooling2D",
]
