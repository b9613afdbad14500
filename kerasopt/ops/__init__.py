"""kerasopt's integer arithmetic.

Every function has a `keras.ops` reference, and many have an op in the native library for the
TensorFlow backend. Both are bit-exact, except for the sums of `learned_scale_gradients`, and of
float products, whose order differs. `kerasopt.ops.native` explains which one runs.
"""

from kerasopt.ops.affine import (
    dequantize,
    fake_quantize,
    learned_scale_gradients,
    min_max,
    quantize,
)
from kerasopt.ops.binary import binary_conv2d, binary_matmul
from kerasopt.ops.convolution import (
    quantized_conv2d,
    quantized_depthwise_conv2d,
    quantized_scale,
)
from kerasopt.ops.dynamic import dynamic_matmul
from kerasopt.ops.elementwise import quantized_add, quantized_multiply
from kerasopt.ops.functions import (
    exponentials,
    look_up,
    quantized_layer_normalization,
    quantized_softmax,
)
from kerasopt.ops.half import half_conv2d, half_matmul
from kerasopt.ops.matmul import quantized_batch_matmul, quantized_matmul
from kerasopt.ops.packed_weights import PackedWeights
from kerasopt.ops.pooling import max_pool, quantized_average_pool, quantized_mean
from kerasopt.ops.sparse import sparse_matmul
from kerasopt.ops.sparse_weights import SparseWeights
from kerasopt.ops.weight_formats import HALF_FORMATS, WEIGHT_FORMATS
from kerasopt.ops.weight_only import weight_only_matmul

__all__ = [
    "HALF_FORMATS",
    "WEIGHT_FORMATS",
    "PackedWeights",
    "SparseWeights",
    "binary_conv2d",
    "binary_matmul",
    "dequantize",
    "dynamic_matmul",
    "exponentials",
    "fake_quantize",
    "half_conv2d",
    "half_matmul",
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
    "quantized_scale",
    "quantized_softmax",
    "sparse_matmul",
    "weight_only_matmul",
]
