"""Drop-in layers that declare their compression, and integer layers."""

from kerasopt.layers.conv2d import Conv2D
from kerasopt.layers.dense import Dense
from kerasopt.layers.depthwise_conv2d import DepthwiseConv2D
from kerasopt.layers.einsum_dense import EinsumDense
from kerasopt.layers.embedding import Embedding

__all__ = ["Conv2D", "Dense", "DepthwiseConv2D", "EinsumDense", "Embedding"]
