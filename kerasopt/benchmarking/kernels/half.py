"""Layers with 16-bit float weights, compared with the same layers in float32."""

from __future__ import annotations

import functools

import numpy as np

from kerasopt import ops
from kerasopt.benchmarking.kernels.case import Case, Work
from kerasopt.benchmarking.kernels.products import PRODUCTS, float_products, half_products


def half_dense(rows: int, units: int) -> Case:
    """A dense layer of `units` inputs and as many outputs."""
    name = f"float16 dense {rows}x{units}x{units}"
    return Case(name, functools.partial(_prepare, (rows, units), (units, units)))


def half_conv(size: int, channels: int) -> Case:
    """A convolution of 3x3 on a square image."""
    name = f"float16 conv 3x3 {size}x{size}x{channels}"
    shapes = (1, size, size, channels), (3, 3, channels, channels)
    return Case(name, functools.partial(_prepare, *shapes))


def _prepare(x_shape: tuple[int, ...], kernel_shape: tuple[int, ...], threads: int) -> Work:
    rng = np.random.default_rng(0)
    xs = [rng.normal(size=x_shape).astype("float32") for _ in range(PRODUCTS)]
    kernel = rng.normal(size=kernel_shape).astype("float16")
    zeros, ones = np.zeros(kernel_shape[-1], "float32"), np.ones(kernel_shape[-1], "float32")
    packed = ops.PackedWeights.pack(kernel, zeros, ones, bias_dtype="float32", format="float16")
    return Work(
        ours=half_products(xs, packed, layers=PRODUCTS),
        peers={"TensorFlow float32": float_products(xs, kernel, layers=PRODUCTS)},
        repetitions=PRODUCTS,
    )
