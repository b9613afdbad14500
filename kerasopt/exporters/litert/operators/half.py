"""Layers with kernels of 16 bits, which LiteRT computes in float32."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from tensorflow.lite.python import schema_py_generated as schema

from kerasopt.exporters.litert.operators.window import padded, set_window


def dense(node: Any, writer: Any, inputs: list[int], output: int) -> None:
    layer = node.operation
    options = schema.FullyConnectedOptionsT()
    options.keepNumDims = True
    kernel = layer.kernel.numpy().T

    def multiply(operands: list[int], target: int) -> None:
        writer.buffer.operator("FULLY_CONNECTED", [*inputs, *operands], [target], options, 2)

    _scaled(layer, writer, kernel, multiply, output)


def conv2d(node: Any, writer: Any, inputs: list[int], output: int) -> None:
    layer = node.operation
    options = schema.Conv2DOptionsT()
    set_window(options, layer)
    kernel = np.transpose(layer.kernel.numpy(), (3, 0, 1, 2))
    image = padded(layer, writer, *inputs)

    def convolve(operands: list[int], target: int) -> None:
        writer.buffer.operator("CONV_2D", [image, *operands], [target], options)

    _scaled(layer, writer, kernel, convolve, output)


def _scaled(
    layer: Any,
    writer: Any,
    kernel: np.ndarray,
    write: Callable[[list[int], int], None],
    output: int,
) -> None:
    """Adds an operator with a kernel and a bias, and what scales its sums, if they are scaled.

    LiteRT has no bfloat16: such a kernel is stored as float32.
    """
    buffer, name = writer.buffer, layer.name
    scale, bias = layer.kernel_scale.numpy(), layer.bias.numpy()
    if kernel.dtype == "float16":
        stored = writer.constant(f"{name}/kernel", kernel)
        real = buffer.tensor(f"{name}/real", kernel.shape, "float32")
        buffer.operator("DEQUANTIZE", [stored], [real], schema.DequantizeOptionsT(), 3)
    else:
        real = writer.constant(f"{name}/kernel", kernel.astype("float32"))
    if (scale == 1.0).all():
        return write([real, writer.constant(f"{name}/bias", bias)], output)
    sums, products = (writer.like(output, f"{name}/{part}") for part in ("sums", "products"))
    write([real, writer.constant(f"{name}/zeros", np.zeros_like(bias))], sums)
    scale, bias = (
        writer.constant(f"{name}/{part}", values)
        for part, values in (("scale", scale), ("bias", bias))
    )
    buffer.operator("MUL", [sums, scale], [products], schema.MulOptionsT())
    buffer.operator("ADD", [products, bias], [output], schema.AddOptionsT())
    return None
