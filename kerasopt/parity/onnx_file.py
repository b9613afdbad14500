"""The tensors of an ONNX file."""

from __future__ import annotations

import os
from typing import Any

import keras
import numpy as np

from kerasopt.layers.integer import Affine
from kerasopt.parity.trace import Tensor, Trace


def trace_onnx(path: str | os.PathLike, data: Any) -> Trace:
    """Returns the tensors that onnxruntime computes of `data`.

    Shown are the int8 tensors, which become outputs, and the outputs.
    """
    import onnx

    from kerasopt.exporters.onnx.run import OnnxRuntime
    from kerasopt.exporters.onnx.tensors import CHANNELS_FIRST

    plain = OnnxRuntime(path)
    model = onnx.load(path)
    affines = _quantized(model)
    outputs = {output.name for output in model.graph.output}
    model.graph.output.extend(
        onnx.ValueInfoProto(name=name) for name in affines if name not in outputs
    )
    shown = OnnxRuntime(model.SerializeToString())
    arrays = [np.asarray(value) for value in keras.tree.flatten(data)]
    tensors = {}
    for name, value in zip(shown.outputs, shown(*arrays), strict=True):
        affine = affines.get(name)
        if name.endswith(CHANNELS_FIRST):
            name, value = name.removesuffix(CHANNELS_FIRST), np.moveaxis(value, 1, -1)
        tensors[name] = Tensor(value, affine)
    return Trace(tensors, plain.outputs)


def _quantized(model: Any) -> dict[str, Affine | None]:
    """Returns the names of the integer activations, with what they stand for.

    That is said by annotations, and in files of others by QuantizeLinear alone.
    """
    from onnx import numpy_helper

    constants = {each.name: each for each in model.graph.initializer}
    found: dict[str, Affine | None] = {}
    for annotation in model.graph.quantization_annotation:
        names = [each.value for each in annotation.quant_parameter_tensor_names]
        scale, zero_point = (numpy_helper.to_array(constants[name]) for name in names)
        found[annotation.tensor_name] = _affine(scale, zero_point)
    for node in model.graph.node:
        if node.op_type == "QuantizeLinear":
            scale, zero_point = (numpy_helper.to_array(constants[name]) for name in node.input[1:3])
            is_known = zero_point.dtype in (np.int8, np.int16) and zero_point.ndim == 0
            found[node.output[0]] = _affine(scale, zero_point) if is_known else None
    return found


def _affine(scale: np.ndarray, zero_point: np.ndarray) -> Affine:
    return Affine(float(scale), int(zero_point), bits=8 * zero_point.dtype.itemsize)
