"""Matrix products in one TensorFlow graph, with weights in variables, as in layers.

A call from Python takes as long as some products, so a call computes several, of different rows,
since equal ones would be merged.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from kerasopt import ops
from kerasopt.benchmarking.kernels.case import Call
from kerasopt.benchmarking.kernels.peers import tensorflow

PRODUCTS = 8  # in a call
ZERO_POINT = 3  # of int8 inputs and outputs


def int8_rows(rng: np.random.Generator, rows: int, inputs: int) -> list[np.ndarray]:
    """Returns the inputs of the products of a call."""
    return [rng.integers(-128, 128, (rows, inputs)).astype("int8") for _ in range(PRODUCTS)]


def quantized_products(
    xs: list[np.ndarray],
    weights: ops.PackedWeights | ops.SparseWeights,
    layers: int = 1,
    zero_point: int = ZERO_POINT,
) -> Call:
    """Returns a call of kerasopt's integer products.

    Args:
        xs: int8 or int16 arrays, the inputs of the products.
        weights: Their weights.
        layers: Integer, the number of variables with these weights, which the products read in
            turns: with several, large weights are read from memory, as in a network, instead of a
            cache.
        zero_point: Integer, the zero point of inputs and outputs, 0 for int16.
    """
    zero_points = {"input_zero_point": zero_point, "output_zero_point": zero_point}
    return _products(
        lambda x, packed: ops.quantized_matmul(x, packed, **zero_points), xs, weights, layers
    )


def sparse_products(xs: list[np.ndarray], weights: ops.SparseWeights) -> Call:
    """Returns a call of kerasopt's products of float32 rows with sparse weights."""
    return _products(ops.sparse_matmul, xs, weights)


def float_products(xs: list[np.ndarray], kernel: np.ndarray, layers: int = 1) -> Call:
    """Returns a call of TensorFlow's float32 products or convolutions.

    Args:
        xs: Arrays, the inputs of the products.
        kernel: Array, their weights.
        layers: As in `quantized_products`.
    """
    import tensorflow as tf

    variables = [tf.Variable(kernel.astype("float32")) for _ in range(layers)]

    def multiply(x: Any, weights: Any) -> Any:
        if kernel.ndim == 2:
            return tf.matmul(x, weights)
        return tf.nn.conv2d(x, weights, 1, "SAME")

    floats = (x.astype("float32") for x in xs)
    return tensorflow.call_of(
        lambda *xs: [multiply(x, variables[i % layers]) for i, x in enumerate(xs)], *floats
    )


def half_products(xs: list[np.ndarray], weights: ops.PackedWeights, layers: int = 1) -> Call:
    """Returns a call of kerasopt's products or convolutions with 16-bit float weights."""

    def multiply(x: Any, packed: ops.PackedWeights) -> Any:
        if len(packed.shape) == 2:
            return ops.half_matmul(x, packed)
        return ops.half_conv2d(x, packed, padding="same")

    return _products(multiply, xs, weights, layers)


def binary_products(xs: list[np.ndarray], weights: ops.PackedWeights) -> Call:
    """Returns a call of kerasopt's binary products or convolutions."""

    def multiply(x: Any, packed: ops.PackedWeights) -> Any:
        if len(packed.shape) == 2:
            return ops.binary_matmul(x, packed)
        return ops.binary_conv2d(x, packed, padding="same")

    return _products(multiply, xs, weights)


def _products(
    multiply: Callable[[Any, Any], Any], xs: list[np.ndarray], weights: Any, layers: int = 1
) -> Call:
    import tensorflow as tf

    variables = [weights._replace(values=tf.Variable(weights.values)) for _ in range(layers)]

    def products(*xs: Any) -> list[Any]:
        return [multiply(x, variables[i % layers]) for i, x in enumerate(xs)]

    return tensorflow.call_of(products, *xs)
