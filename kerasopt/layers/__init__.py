"""Drop-in layers that declare their compression."""

from kerasopt.layers.attention import GroupQueryAttention, MultiHeadAttention
from kerasopt.layers.convolutions import (
    Conv1D,
    Conv1DTranspose,
    Conv2D,
    Conv2DTranspose,
    Conv3D,
    Conv3DTranspose,
    DepthwiseConv1D,
    DepthwiseConv2D,
    SeparableConv1D,
    SeparableConv2D,
)
from kerasopt.layers.dense import Dense, EinsumDense
from kerasopt.layers.embedding import Embedding
from kerasopt.layers.recurrent import GRU, LSTM, SimpleRNN

__all__ = [
    "GRU",
    "LSTM",
    "Conv1D",
    "Conv1DTranspose",
    "Conv2D",
    "Conv2DTranspose",
    "Conv3D",
    "Conv3DTranspose",
    "Dense",
    "DepthwiseConv1D",
    "DepthwiseConv2D",
    "EinsumDense",
    "Embedding",
    "GroupQueryAttention",
    "MultiHeadAttention",
    "SeparableConv1D",
    "SeparableConv2D",
    "SimpleRNN",
]
