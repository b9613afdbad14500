"""The table of inference layers: what makes each of them, and what writes it to files."""

from __future__ import annotations

import functools
import importlib
from dataclasses import dataclass
from typing import Any

import keras

from kerasopt.inference.binary import BinaryConv2D, BinaryDense
from kerasopt.inference.dynamic_dense import DynamicDense
from kerasopt.inference.half import HalfConv2D, HalfDense
from kerasopt.inference.integer.activation import QuantizedActivation
from kerasopt.inference.integer.add import QuantizedAdd
from kerasopt.inference.integer.average_pooling import QuantizedAveragePooling2D
from kerasopt.inference.integer.batch_matmul import QuantizedBatchMatMul
from kerasopt.inference.integer.boundaries import Dequantize, Quantize
from kerasopt.inference.integer.conv2d_transpose import QuantizedConv2DTranspose
from kerasopt.inference.integer.convolutions import QuantizedConv2D, QuantizedDepthwiseConv2D
from kerasopt.inference.integer.dense import QuantizedDense
from kerasopt.inference.integer.embedding import QuantizedEmbedding
from kerasopt.inference.integer.global_average_pooling import QuantizedGlobalAveragePooling2D
from kerasopt.inference.integer.max_pooling import MaxPooling2D
from kerasopt.inference.integer.multiply import QuantizedMultiply
from kerasopt.inference.integer.normalization import (
    QuantizedBatchNormalization,
    QuantizedLayerNormalization,
)
from kerasopt.inference.integer.softmax import QuantizedSoftmax
from kerasopt.inference.masked_softmax import MaskedSoftmax
from kerasopt.inference.sparse import SparseConv2D, SparseDense


@dataclass(frozen=True)
class Unsupported:
    """What a format has no operator for, and why."""

    reason: str


# A converter writes it in float32, as Keras' own layers.
CONVERTED = "converted"


@dataclass(frozen=True)
class Row:
    """What makes a layer, and what writes it.

    Attributes:
        layer: The class.
        patterns: Strings, the modules of `kerasopt.lowering.patterns` that make such layers.
        litert: String, the function of `kerasopt.exporters.litert.operators` that writes it, with
            its module; `CONVERTED`; or `Unsupported`.
        onnx: The same of `kerasopt.exporters.onnx.operators`.
    """

    layer: type[keras.Layer]
    patterns: tuple[str, ...]
    litert: str | Unsupported
    onnx: str | Unsupported


_BITS = Unsupported("it has no operator that multiplies signs")
_ENTRIES = Unsupported("it has no operator that leaves out weights; export the dense model")

# A new layer is its file, its pattern, its two writers, and a row here (and a line in
# docs/lowering/README.md). Writers are named, not imported: formats need packages of their own.
# Patterns are tried in this order: those of kernels in few bits before those of any kernel.
ROWS = (
    Row(HalfConv2D, ("half",), "half.conv2d", "half.conv2d"),
    Row(HalfDense, ("half",), "half.dense", "half.dense"),
    Row(BinaryConv2D, ("binary",), _BITS, _BITS),
    Row(BinaryDense, ("binary",), _BITS, _BITS),
    Row(QuantizedConv2D, ("conv", "separable_conv"), "contractions.conv2d", "contractions.conv2d"),
    Row(
        QuantizedDepthwiseConv2D,
        ("depthwise_conv", "conv", "separable_conv"),
        "contractions.depthwise_conv2d",
        "contractions.depthwise_conv2d",
    ),
    Row(
        QuantizedConv2DTranspose,
        ("conv_transpose",),
        "transposed.conv2d_transpose",
        "contractions.conv2d_transpose",
    ),
    Row(DynamicDense, ("dynamic_dense",), "contractions.dynamic_dense", "dynamic.dense"),
    Row(
        QuantizedDense,
        ("dense", "einsum_dense", "attention", "weight_product"),
        "contractions.dense",
        "contractions.dense",
    ),
    Row(
        QuantizedBatchMatMul,
        ("attention", "matrix_product"),
        "elementwise.batch_matmul",
        "elementwise.batch_matmul",
    ),
    Row(MaskedSoftmax, ("attention",), CONVERTED, CONVERTED),
    Row(QuantizedSoftmax, ("softmax", "attention"), "functions.softmax", "functions.softmax"),
    Row(QuantizedAdd, ("add",), "elementwise.add", "elementwise.add"),
    Row(QuantizedMultiply, ("multiply",), "elementwise.multiply", "elementwise.multiply"),
    Row(QuantizedAveragePooling2D, ("pooling",), "contractions.average_pooling", "pooling.average"),
    Row(QuantizedGlobalAveragePooling2D, ("pooling",), "pooling.mean", "pooling.mean"),
    Row(
        QuantizedBatchNormalization,
        ("batch_normalization",),
        "contractions.batch_normalization",
        "contractions.batch_normalization",
    ),
    Row(
        QuantizedLayerNormalization,
        ("layer_normalization",),
        "floats.layer_normalization",
        "normalizations.layer",
    ),
    Row(QuantizedEmbedding, ("embedding",), "lookup.embedding", "boundaries.embedding"),
    Row(QuantizedActivation, ("elementwise",), "functions.activation", "functions.activation"),
    Row(MaxPooling2D, ("transparent",), "pooling.max_pooling", "pooling.maximum"),
    # Made by the `Builder` between float32 and integers, and by the choice of sparse layers.
    Row(Quantize, (), "boundaries.quantize", "boundaries.quantize"),
    Row(Dequantize, (), "boundaries.dequantize", "boundaries.dequantize"),
    Row(SparseConv2D, (), _ENTRIES, _ENTRIES),
    Row(SparseDense, (), _ENTRIES, _ENTRIES),
)

# Their groups keep the scale of what they read, and become Keras' own layers on integers.
_MOVING = ("concatenate", "transparent")


def row_of(operation: keras.Operation) -> Row | None:
    """Returns the row of what is called, or `None`."""
    return next((row for row in ROWS if row.layer is type(operation)), None)


@functools.cache
def patterns() -> dict[str, Any]:
    """Returns the modules of all patterns by their names, in the order to try them."""
    names = [*_MOVING, *(name for row in ROWS for name in row.patterns)]
    return {name: importlib.import_module(f"kerasopt.lowering.patterns.{name}") for name in names}


def takes_int16(pattern: str) -> bool:
    """Whether all that a pattern makes may compute with integers of 16 bits."""
    made = [row.layer for row in ROWS if pattern in row.patterns]
    return pattern in _MOVING or all(getattr(layer, "takes_int16", False) for layer in made)
