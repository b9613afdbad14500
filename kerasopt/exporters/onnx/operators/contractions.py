"""Layers with a kernel."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np


def conv2d(node: Any, writer: Any) -> None:
    layer = node.operation
    kernel = np.transpose(_numpy(layer.kernel), (3, 2, 0, 1))
    _convolve(node, writer, kernel, group=layer.groups)


def depthwise_conv2d(node: Any, writer: Any) -> None:
    kernel = _numpy(node.operation.kernel)
    channels = kernel.shape[2]
    kernel = np.transpose(kernel.reshape(*kernel.shape[:2], 1, -1), (3, 2, 0, 1))
    _convolve(node, writer, kernel, group=channels)


def conv2d_transpose(node: Any, writer: Any) -> None:
    layer = node.operation
    kernel = np.transpose(_numpy(layer.kernel)[::-1, ::-1], (2, 3, 0, 1))
    rest = [k - s for k, s in zip(layer.kernel_size, layer.strides, strict=True)]
    cut = [max(each, 0) if layer.padding == "same" else 0 for each in rest]
    pads = [each // 2 for each in cut] + [each - each // 2 for each in cut]
    writer.add(
        node,
        "ConvTranspose",
        _operands(node, writer, kernel, axis=1),
        first=True,
        kernel_shape=layer.kernel_size,
        strides=layer.strides,
        pads=pads,
        output_padding=[max(-each, 0) for each in rest],
    )


def dense(node: Any, writer: Any) -> None:
    layer = node.operation
    (key,) = writer.keys(node)
    shape = node.keras_node.outputs[0].shape
    kernel, bias = _constants(node, writer, _numpy(layer.kernel), axis=1)
    x = writer.tensors.real(key)
    if len(shape) == 2:
        writer.add(node, "Gemm", [x, kernel, bias])
        return
    product = writer.graph.add("MatMul", [x, kernel], writer.name(node, "product"))
    writer.add(node, "Add", [product, bias])


def _convolve(node: Any, writer: Any, kernel: np.ndarray, group: int) -> None:
    layer = node.operation
    writer.add(
        node,
        "Conv",
        _operands(node, writer, kernel, axis=0),
        first=True,
        group=group,
        kernel_shape=layer.kernel_size,
        strides=layer.strides,
        dilations=layer.dilation_rate,
        # The odd pixel is padded at the end, as TensorFlow has it.
        auto_pad="SAME_UPPER" if layer.padding == "same" else "VALID",
    )


def _operands(node: Any, writer: Any, kernel: np.ndarray, axis: int) -> list[str]:
    (key,) = writer.keys(node)
    return [writer.tensors.real(key, first=True), *_constants(node, writer, kernel, axis)]


def _constants(node: Any, writer: Any, kernel: np.ndarray, axis: int) -> tuple[str, str]:
    layer = node.operation
    scale = _numpy(layer.kernel_scale)
    bias_scale = np.float32(layer.input_affine.scale) * scale
    return (
        writer.graph.weight(f"{layer.name}/kernel", np.ascontiguousarray(kernel), scale, axis),
        writer.graph.weight(f"{layer.name}/bias", _numpy(layer.bias), bias_scale),
    )


def _numpy(variable: Any) -> np.ndarray:
    return keras.ops.convert_to_numpy(variable)
