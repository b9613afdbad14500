"""The integer arithmetic in `keras.ops`: the definition that all other paths match bit for bit."""

from kerasopt.ops.reference.affine import (
    INTEGER_RANGES,
    dequantize,
    fake_quantize,
    learned_scale_gradients,
    min_max,
    quantize,
)
from kerasopt.ops.reference.convolution import (
    binary_conv2d,
    quantized_conv2d,
    quantized_depthwise_conv2d,
)
from kerasopt.ops.reference.elementwise import quantized_add, quantized_multiply
from kerasopt.ops.reference.functions import look_up, quantized_softmax
from kerasopt.ops.reference.matmul import (
    dynamic_matmul,
    quantized_batch_matmul,
    quantized_matmul,
)
from kerasopt.ops.reference.normalization import quantized_layer_normalization
from kerasopt.ops.reference.pooling import max_pool, quantized_average_pool, quantized_mean
from kerasopt.ops.reference.weight_only import weight_only_matmul

__all__ = [
    "INTEGER_RANGES",
    "binary_conv2d",
    "dequantize",
    "dynamic_matmul",
    "fake_quantize",
    "learned_scale_gradients",
    "look_up",
    "max_pool",
    "min_max",
    "quantize",
    "quantized_add",
    "quantized_average_pool",
    "quantized_batch_matmul",
    "quantized_conv2d",
    "quantized_depthwise_conv2d",
    "quantized_layer_normalization",
    "quantized_matmul",
    "quantized_mean",
    "quantized_multiply",
    "quantized_softmax",
    "weight_only_matmul",
]
