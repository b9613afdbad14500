"""Products with sparse matrices, as in pointwise (1x1) convolutions: a row for each pixel."""

from __future__ import annotations

import functools

import numpy as np

from kerasopt import ops
from kerasopt.benchmarking.kernels.case import Case, Work
from kerasopt.benchmarking.kernels.products import (
    PRODUCTS,
    float_products,
    int8_rows,
    quantized_products,
    sparse_products,
)


def sparse_int8(pixels: int, channels: int) -> Case:
    """A pointwise convolution with 80 % of its 4x1 blocks (4 inputs, 1 output) zero."""
    name = f"4x1-sparse int8 matmul {pixels}x{channels}x{channels}"
    return Case(name, functools.partial(_prepare_int8, pixels, channels))


def sparse_float32(pixels: int, channels: int) -> Case:
    """A pointwise convolution with 90 % unstructured sparsity."""
    name = f"sparse float32 matmul {pixels}x{channels}x{channels}"
    return Case(name, functools.partial(_prepare_float32, pixels, channels))


def _prepare_int8(pixels: int, channels: int, threads: int) -> Work:
    rng = np.random.default_rng(0)
    xs = int8_rows(rng, pixels, channels)
    is_kept = rng.random((channels // 4, channels)) >= 0.8
    kernel = rng.integers(-127, 128, (channels, channels)) * is_kept.repeat(4, 0)
    bias, multiplier = np.zeros(channels, "int32"), np.full(channels, 1e-3, "float32")
    weights = kernel.astype("int8"), bias, multiplier
    return Work(
        ours=quantized_products(xs, ops.SparseWeights.pack(*weights)),
        peers={"kerasopt int8 dense": quantized_products(xs, ops.PackedWeights.pack(*weights))},
        repetitions=PRODUCTS,
    )


def _prepare_float32(pixels: int, channels: int, threads: int) -> Work:
    rng = np.random.default_rng(0)
    xs = [rng.normal(size=(pixels, channels)).astype("float32") for _ in range(PRODUCTS)]
    is_kept = rng.random((channels, channels)) >= 0.9
    kernel = (rng.normal(size=is_kept.shape) * is_kept).astype("float32")
    weights = ops.SparseWeights.pack(kernel, np.zeros(channels, "float32"))
    return Work(
        ours=sparse_products(xs, weights),
        peers={"TensorFlow float32": float_products(xs, kernel)},
        repetitions=PRODUCTS,
    )
