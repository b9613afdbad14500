"""Dense layers with dynamic quantization of float rows to int8."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from kerasopt import ops
from kerasopt.benchmarking.kernels.case import Case, Work
from kerasopt.benchmarking.kernels.peers import onnxruntime, tensorflow

LAYERS = 50  # in a chain, all with the same weights


def dynamic_dense(batch: int, units: int) -> Case:
    """A layer of `units` inputs and as many outputs."""
    name = f"dynamic int8 dense {batch}x{units}x{units}"
    return Case(name, functools.partial(_prepare, batch, units))


def _prepare(batch: int, units: int, threads: int) -> Work:
    rng = np.random.default_rng(0)
    kernel = rng.integers(-127, 128, (units, units)).astype("int8")
    # Values neither overflow nor vanish along the chain.
    scale = np.full(units, 1 / (kernel.std() * units**0.5), "float32")
    rows = rng.normal(size=(batch, units)).astype("float32")
    return Work(
        ours=_ours(rows, kernel, scale),
        peers={
            "onnxruntime MatMulInteger": onnxruntime.call_of(
                functools.partial(_onnx_graph, rows.shape, kernel, scale), {"x0": rows}, threads
            )
        },
        repetitions=LAYERS,
    )


def _ours(rows: np.ndarray, kernel: np.ndarray, scale: np.ndarray) -> Any:
    import tensorflow as tf

    packed = ops.PackedWeights.pack(kernel, np.zeros_like(scale), scale, bias_dtype="float32")
    packed = packed._replace(values=tf.Variable(packed.values))

    def chain(x: Any) -> Any:
        for _ in range(LAYERS):
            x = ops.dynamic_matmul(x, packed)
        return x

    return tensorflow.call_of(chain, rows)


def _onnx_graph(shape: tuple[int, ...], kernel: np.ndarray, scale: np.ndarray) -> Any:
    from onnx import TensorProto, helper, numpy_helper

    nodes = []
    for i in range(LAYERS):
        nodes += [
            helper.make_node("DynamicQuantizeLinear", [f"x{i}"], [f"q{i}", f"s{i}", f"z{i}"]),
            helper.make_node("MatMulInteger", [f"q{i}", "w", f"z{i}"], [f"i{i}"]),
            helper.make_node("Cast", [f"i{i}"], [f"f{i}"], to=TensorProto.FLOAT),
            helper.make_node("Mul", [f"s{i}", "ws"], [f"m{i}"]),
            helper.make_node("Mul", [f"f{i}", f"m{i}"], [f"x{i + 1}"]),
        ]
    tensors = [numpy_helper.from_array(kernel, "w"), numpy_helper.from_array(scale, "ws")]
    start, end = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name in ("x0", f"x{LAYERS}")
    )
    return helper.make_graph(nodes, "chain", [start], [end], tensors)
