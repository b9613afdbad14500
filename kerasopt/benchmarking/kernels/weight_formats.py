"""Dense layers of one row, limited by reading the weights, with fewer bits than int8."""

from __future__ import annotations

import functools

import numpy as np

from kerasopt import ops
from kerasopt.benchmarking.kernels.case import Call, Case, Work
from kerasopt.benchmarking.kernels.products import PRODUCTS, int8_rows, quantized_products


def packed_dense(weight_format: str, units: int) -> Case:
    """A layer of `units` inputs and as many outputs, its weights in `"int4"` or `"2:4"`."""
    name = f"{weight_format} dense 1x{units}x{units}"
    return Case(name, functools.partial(_prepare, weight_format, units))


def _prepare(weight_format: str, units: int, threads: int) -> Work:
    rng = np.random.default_rng(0)
    xs = int8_rows(rng, 1, units)
    kernel = _KERNELS[weight_format](rng, units)
    bias, multiplier = np.zeros(units, "int32"), np.full(units, 1e-3, "float32")

    def call(stored_in: str) -> Call:
        packed = ops.PackedWeights.pack(kernel, bias, multiplier, format=stored_in)
        return quantized_products(xs, packed, layers=PRODUCTS)

    return Work(
        ours=call(weight_format),
        peers={"kerasopt int8 dense": call("int8")},
        repetitions=PRODUCTS,
    )


def _four_bits(rng: np.random.Generator, units: int) -> np.ndarray:
    return rng.integers(-8, 8, (units, units)).astype("int8")


def _two_of_four(rng: np.random.Generator, units: int) -> np.ndarray:
    kernel = rng.integers(-127, 128, (units // 4, 4, units))
    is_kept = rng.random(kernel.shape).argsort(1) < 2
    return (kernel * is_kept).reshape(units, units).astype("int8")


_KERNELS = {"int4": _four_bits, "2:4": _two_of_four}
