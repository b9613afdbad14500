"""The integer arithmetic in `keras.ops`: the definition every other path equals to the bit."""

from kerasopt.ops.reference.affine import (
    INTEGER_RANGES,
    dequantize,
    fake_quantize,
    learned_scale_gradients,
    min_max,
    quantize,
)
from kerasopt.ops.reference.convolution import quantized_conv2d, quantized_depthwise_conv2d
from kerasopt.ops.reference.elementwise import quantized_add, quantized_mean
from kerasopt.ops.reference.matmul import quantized_matmul

__all__ = [
    "INTEGER_RANGES",
    "dequantize",
    "fake_quantize",
    "learned_scale_gradients",
    "min_max",
    "quantize",
    "quantized_add",
    "quantized_conv2d",
    "quantized_depthwise_conv2d",
    "quantized_matmul",
    "quantized_mean",
]
