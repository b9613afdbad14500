"""Products of int16 activations with int8 weights."""

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
)


def int16_matmul(rows: int, inputs: int, units: int) -> Case:
    """A product of `rows x inputs` activations with `inputs x units` weights."""
    name = f"int16x8 matmul {rows}x{inputs}x{units}"
    return Case(name, functools.partial(_prepare, (rows, inputs, units)))


def _prepare(shape: tuple[int, int, int], threads: int) -> Work:
    rows, inputs, units = shape
    rng = np.random.default_rng(0)
    narrow = int8_rows(rng, rows, inputs)
    wide = [rng.integers(-32768, 32768, (rows, inputs)).astype("int16") for _ in narrow]
    kernel = rng.integers(-127, 128, (inputs, units)).astype("int8")
    packed = ops.PackedWeights.pack(
        kernel, np.zeros(units, "int32"), np.full(units, 1e-4, "float32")
    )
    return Work(
        ours=quantized_products(wide, packed, zero_point=0),
        peers={
            "kerasopt int8": quantized_products(narrow, packed),
            "TensorFlow float32": float_products(narrow, kernel),
        },
        repetitions=PRODUCTS,
    )
