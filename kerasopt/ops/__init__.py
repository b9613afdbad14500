"""kerasopt's one integer arithmetic.

Every function exists as `keras.ops` reference and, under the TensorFlow backend, as an op of the
native library; all give the same bits, but for the sums of `learned_scale_gradients`, which are
added in other orders. See `kerasopt.ops.native` for which one runs.
"""

from kerasopt.ops.affine import (
    dequantize,
    fake_quantize,
    learned_scale_gradients,
    min_max,
    quantize,
)
from kerasopt.ops.contractions import (
    quantized_conv2d,
    quantized_depthwise_conv2d,
    quantized_matmul,
)
from kerasopt.ops.elementwise import quantized_add, quantized_mean

__all__ = [
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
