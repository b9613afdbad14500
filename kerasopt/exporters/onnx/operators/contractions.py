"""Layers with a kernel."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from kerasopt.exporters.onnx.operators.window import window_of


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
    kernel = _numpy(node.operation.kernel)
    if len(node.keras_node.outputs[0].shape) == 2:
        (edge,) = node.inputs
        operands = [writer.tensors.real(edge), *_constants(node, writer, kernel, axis=1)]
        writer.add(node, "Gemm", operands)
    else:
        _on_rows(node, writer, "Gemm", kernel, axis=1)


def batch_normalization(node: Any, writer: Any) -> None:
    # A pointwise depthwise convolution.
    kernel = _numpy(node.operation.kernel).reshape(-1, 1, 1, 1)
    if len(node.keras_node.outputs[0].shape) == 4:
        operands = _operands(node, writer, kernel, axis=0)
        writer.add(node, "Conv", operands, first=True, group=len(kernel))
    else:
        _on_rows(node, writer, "Conv", kernel, axis=0, group=len(kernel))


def _on_rows(
    node: Any, writer: Any, kind: str, kernel: np.ndarray, axis: int, **attributes: Any
) -> None:
    """Adds an operator on the last axis of a tensor, reshaped to what the operator takes.

    Only of matrices and images the sum, its bias and its rounding are fused by runtimes.
    """
    layer, graph = node.operation, writer.graph
    (edge,) = node.inputs
    x = writer.tensors.name(edge)
    channels = node.keras_node.input_tensors[0].shape[-1]
    sizes = np.array([-1, channels] + [1, 1] * (kernel.ndim == 4))
    shape = graph.constant(writer.name(node, "shape"), sizes)
    rows = graph.add("Reshape", [x, shape], writer.name(node, "rows"))
    rows = graph.dequantize(rows, layer.input_affine, writer.name(node, "real"))
    operands = [rows, *_constants(node, writer, kernel, axis)]
    rows = graph.add(kind, operands, writer.name(node, "sums"), **attributes)
    rows = writer.rounded(node, rows, writer.name(node, "rounded"))
    shape = _output_shape(node, writer, x)
    writer.put(
        node, lambda output: graph.add("Reshape", [rows, shape], output), layer.output_affine
    )


def _output_shape(node: Any, writer: Any, x: str) -> str:
    """Returns the shape of a layer's output, which the input `x` has but for the last axis."""
    graph, shape = writer.graph, node.keras_node.outputs[0].shape
    if shape.count(None) <= 1:
        sizes = [-1 if size is None else size for size in shape]
        return graph.constant(writer.name(node, "output_shape"), np.array(sizes))
    leading = graph.add("Shape", [x], writer.name(node, "leading"), end=-1)
    last = graph.constant(writer.name(node, "last"), np.array(shape[-1:]))
    return graph.add("Concat", [leading, last], writer.name(node, "output_shape"), axis=0)


def _convolve(node: Any, writer: Any, kernel: np.ndarray, group: int) -> None:
    layer = node.operation
    writer.add(
        node,
        "Conv",
        _operands(node, writer, kernel, axis=0),
        first=True,
        group=group,
        dilations=layer.dilation_rate,
        **window_of(node, layer, layer.kernel_size, layer.dilation_rate),
    )


def _operands(node: Any, writer: Any, kernel: np.ndarray, axis: int) -> list[str]:
    (edge,) = node.inputs
    return [writer.tensors.real(edge, first=True), *_constants(node, writer, kernel, axis)]


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
