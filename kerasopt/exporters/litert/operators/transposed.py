"""Transposed convolutions, as convolutions whose channels become pixels.

LiteRT's TRANSPOSE_CONV has the size of the batch in a constant, which only XNNPACK overlooks, and
not for kernels smaller than the stride. Of every block of `stride` output pixels, each is a sum
over some pixels of the input, with its own taps of the kernel: all of them are one convolution.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from tensorflow.lite.python import schema_py_generated as schema

from kerasopt.exporters.litert.operators.clamp import clamped
from kerasopt.exporters.litert.operators.contractions import as_numpy, constants_of, pad


class _Axis(NamedTuple):
    """How one axis of a kernel is taken apart.

    Attributes:
        taps: int array (taps of the convolution, stride): the place in the kernel, or -1.
        pads: Pixels that the input gets before and after.
        blocks: The number of blocks in the output.
    """

    taps: np.ndarray
    pads: tuple[int, int]
    blocks: int


def conv2d_transpose(node: Any, writer: Any, inputs: list[int], output: int) -> None:
    layer, (source,) = node.operation, inputs
    _, height, width, channels = writer.shape(output)
    if height is None or width is None:
        raise ValueError(
            f"LiteRT needs to know the size of the images of '{layer.name}', a transposed "
            f"convolution. Received: output shape {tuple(writer.shape(output))}"
        )
    sizes = zip(layer.kernel_size, layer.strides, writer.shape(source)[1:3], strict=False)
    rows, columns = (
        _axis(*each, size, layer.padding) for each, size in zip(sizes, (height, width), strict=True)
    )
    if any((*rows.pads, *columns.pads)):
        source = pad(layer, writer, source, (rows.pads, columns.pads))
    kernel = _taken_apart(as_numpy(layer.kernel), rows.taps, columns.taps)
    copies = len(kernel) // channels
    constants = constants_of(layer, writer, kernel, axis=0, copies=copies)
    options = schema.Conv2DOptionsT()
    options.padding = schema.Padding.VALID
    options.strideH = options.strideW = options.dilationHFactor = options.dilationWFactor = 1
    blocks = [None, rows.blocks, columns.blocks, len(kernel)]
    image = output if copies == 1 else writer.like(output, f"{layer.name}/blocks", blocks)
    with clamped(layer, writer, image) as (options.fusedActivationFunction, target):
        writer.buffer.operator("CONV_2D", [source, *constants], [target], options, version=3)
    if copies > 1:
        _pixels(layer, writer, image, output)


def _axis(kernel: int, stride: int, read: int, written: int, padding: str) -> _Axis:
    cut = max(kernel - stride, 0) // 2 if padding == "same" else 0
    # Output pixel q * stride + r reads input pixel q - j with the kernel's place of r, cut and j.
    first, last = -((stride - 1 + cut) // stride), (kernel - 1 - cut) // stride
    places = np.arange(last, first - 1, -1)[:, None] * stride + np.arange(stride) + cut
    blocks = -(-written // stride)
    taps = np.where((places >= 0) & (places < kernel), places, -1)
    return _Axis(taps, (last, blocks - read - first), blocks)


def _taken_apart(kernel: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Returns the kernel of the convolution, (stride * stride * channels, rows, columns, inputs).

    The layer's is (rows, columns, inputs, channels), and turned around.
    """
    kernel = np.pad(kernel[::-1, ::-1], ((0, 1), (0, 1), (0, 0), (0, 0)))  # place -1 is zero
    apart = kernel[rows[:, :, None, None], columns[None, None, :, :]]
    # (rows, row of the block, columns, column of the block, inputs, channels)
    apart = apart.transpose(1, 3, 5, 0, 2, 4)
    return np.ascontiguousarray(apart.reshape(-1, *apart.shape[3:]))


def _pixels(layer: Any, writer: Any, blocks: int, output: int) -> None:
    """Lays the channels of blocks out as pixels."""
    (down, right), (_, height, width, channels) = layer.strides, writer.shape(output)
    _, rows, columns, _ = writer.shape(blocks)
    name = layer.name
    if down > 1:
        shape = [None, columns, down, right * channels]
        blocks = _reshape(writer, blocks, f"{name}/block_rows", shape)
        order = writer.constant(f"{name}/order", np.array([0, 2, 1, 3], "int32"))
        shape = [None, down, columns, right * channels]
        turned = writer.like(output, f"{name}/turned", shape)
        writer.buffer.operator(
            "TRANSPOSE", [blocks, order], [turned], schema.TransposeOptionsT(), version=2
        )
        # All rows of all images are the first axis; files say how many of one image.
        for index in (blocks, turned):
            writer.buffer.subgraph.tensors[index].shape[0] = rows
        blocks = turned
    whole = [None, rows * down, columns * right, channels]
    if whole[1:3] == [height, width]:
        _reshape(writer, blocks, f"{name}/pixels", whole, output)
        return
    pixels = _reshape(writer, blocks, f"{name}/pixels", whole)
    begin, size = (
        writer.constant(f"{name}/{part}", np.array(values, "int32"))
        for part, values in (("begin", [0, 0, 0, 0]), ("size", [-1, height, width, channels]))
    )
    options = schema.SliceOptionsT()
    writer.buffer.operator("SLICE", [pixels, begin, size], [output], options, version=2)


def _reshape(writer: Any, source: int, name: str, shape: list, target: int | None = None) -> int:
    target = writer.like(source, name, shape) if target is None else target
    sizes = np.array([-1 if size is None else size for size in shape], "int32")
    options = schema.ReshapeOptionsT()
    options.newShape = sizes
    operands = [source, writer.constant(f"{name}/shape", sizes)]
    writer.buffer.operator("RESHAPE", operands, [target], options)
    return target
