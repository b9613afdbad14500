"""Products of int8 matrices, rounded to int8 again."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from kerasopt import ops
from kerasopt.benchmarking.kernels.case import Case, Work
from kerasopt.benchmarking.kernels.peers import onnxruntime, openvino
from kerasopt.benchmarking.kernels.products import (
    PRODUCTS,
    ZERO_POINT,
    float_products,
    int8_rows,
    quantized_products,
)

INPUT_SCALE, KERNEL_SCALE, OUTPUT_SCALE = 0.1, 0.01, 10.0


def int8_matmul(rows: int, inputs: int, units: int) -> Case:
    """A product of `rows x inputs` activations with `inputs x units` weights."""
    name = f"int8 matmul {rows}x{inputs}x{units}"
    return Case(name, functools.partial(_prepare, (rows, inputs, units)))


def _prepare(shape: tuple[int, int, int], threads: int) -> Work:
    rows, inputs, units = shape
    rng = np.random.default_rng(0)
    xs = int8_rows(rng, rows, inputs)
    kernel = rng.integers(-127, 128, (inputs, units)).astype("int8")
    scale = INPUT_SCALE * KERNEL_SCALE / OUTPUT_SCALE
    packed = ops.PackedWeights.pack(
        kernel, np.zeros(units, "int32"), np.full(units, scale, "float32")
    )
    # onnxruntime and OpenVINO are fastest with uint8 activations on x86.
    unsigned = [x.view("uint8") ^ 128 for x in xs]
    feed = {f"x{i}": x for i, x in enumerate(unsigned)}
    return Work(
        ours=quantized_products(xs, packed),
        peers={
            "onnxruntime QLinearMatMul": onnxruntime.call_of(
                functools.partial(_onnx_graph, shape, kernel), feed, threads
            ),
            "OpenVINO int8": openvino.call_of(
                functools.partial(openvino_model, shape, kernel), unsigned, threads
            ),
            "TensorFlow float32": float_products(xs, kernel),
        },
        repetitions=PRODUCTS,
        products=rows * inputs * units,
    )


def _onnx_graph(shape: tuple[int, int, int], kernel: np.ndarray) -> Any:
    from onnx import TensorProto, helper, numpy_helper

    rows, inputs, units = shape
    scales = {"sx": INPUT_SCALE, "sw": KERNEL_SCALE, "sy": OUTPUT_SCALE}
    tensors = [helper.make_tensor(k, TensorProto.FLOAT, (), [v]) for k, v in scales.items()]
    tensors += [helper.make_tensor("zx", TensorProto.UINT8, (), [ZERO_POINT + 128])]
    tensors += [helper.make_tensor("zw", TensorProto.INT8, (), [0])]
    tensors += [numpy_helper.from_array(kernel, "w")]
    xs, ys = ([f"{name}{i}" for i in range(PRODUCTS)] for name in "xy")
    nodes = [
        helper.make_node("QLinearMatMul", [x, "sx", "zx", "w", "sw", "zw", "sy", "zx"], [y])
        for x, y in zip(xs, ys, strict=True)
    ]
    starts = [helper.make_tensor_value_info(x, TensorProto.UINT8, (rows, inputs)) for x in xs]
    ends = [helper.make_tensor_value_info(y, TensorProto.UINT8, (rows, units)) for y in ys]
    return helper.make_graph(nodes, "matmul", starts, ends, tensors)


def openvino_model(shape: tuple[int, int, int], kernel: np.ndarray) -> Any:
    """Returns the products as float operations between roundings, which OpenVINO makes int8."""
    import openvino
    from openvino import opset13

    def constant(value: float) -> Any:
        return opset13.constant(np.float32(value))

    rows, inputs, _ = shape
    xs = [opset13.parameter([rows, inputs], np.uint8) for _ in range(PRODUCTS)]
    weights = opset13.multiply(
        opset13.convert(opset13.constant(kernel.T), "f32"), constant(KERNEL_SCALE)
    )
    low, high = ((bound - 128 - ZERO_POINT) * OUTPUT_SCALE for bound in (0, 255))
    ys = []
    for x in xs:
        centred = opset13.subtract(opset13.convert(x, "f32"), constant(ZERO_POINT + 128))
        y = opset13.matmul(opset13.multiply(centred, constant(INPUT_SCALE)), weights, False, True)
        ends = map(constant, (low, high, 0, 255))
        ys.append(opset13.convert(opset13.fake_quantize(y, *ends, 256), "u8"))
    return openvino.Model(ys, xs, "matmul")
