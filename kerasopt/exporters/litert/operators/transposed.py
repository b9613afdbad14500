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
from kerasopt.exporters.litert.operators.contractions import as_numpy, constants_of
from kerasopt.exporters.litert.operators.window import pad


class _Axis(NamedTuple):
    """How one axis of a kernel is taken apart.

    Attributes:
        taps: int array (taps of the convolution, stride): the place in the kernel, or -1.
        pads: Pixels that the input gets before and after.
        surplus: Pixels of the last block that the output does not have.
    """

    taps: np.ndarray
    pads: tuple[int, int]
    surplus: int


def conv2d_transpose(node: Any, writer: Any, inputs: list[int], output: int) -> None:
    layer, (source,) = node.operation, inputs
    rows, columns = (_axis(layer, axis) for axis in (0, 1))
    if any((*rows.pads, *columns.pads)):
        source = pad(layer, writer, source, (rows.pads, columns.pads))
    kernel = _taken_apart(as_numpy(layer.kernel), rows.taps, columns.taps)
    copies = int(np.prod(layer.strides))
    constants = constants_of(layer, writer, kernel, axis=0, copies=copies)
    options = schema.Conv2DOptionsT()
    options.padding = schema.Padding.VALID
    options.strideH = options.strideW = options.dilationHFactor = options.dilationWFactor = 1
    taps = zip(writer.shape(source)[1:3], (rows.taps, columns.taps), strict=True)
    blocks = [None if size is None else size - len(each) + 1 for size, each in taps]
    shape = [None, *blocks, len(kernel)]
    image = output if copies == 1 else writer.like(output, f"{layer.name}/blocks", shape)
    with clamped(layer, writer, image) as (options.fusedActivationFunction, target):
        writer.buffer.operator("CONV_2D", [source, *constants], [target], options, version=3)
    if copies > 1:
        _pixels(layer, writer, image, output, (rows.surplus, columns.surplus))


def _axis(layer: Any, axis: int) -> _Axis:
    kernel, stride, overhang = layer.kernel_size[axis], layer.strides[axis], layer.overhang(axis)
    cut = max(kernel - stride, 0) // 2 if layer.padding == "same" else 0
    # Output pixel q * stride + r reads input pixel q - j with the kernel's place of r, cut and j.
    first, last = -((stride - 1 + cut) // stride), (kernel - 1 - cut) // stride
    places = np.arange(last, first - 1, -1)[:, None] * stride + np.arange(stride) + cut
    taps = np.where((places >= 0) & (places < kernel), places, -1)
    return _Axis(taps, (last, -(-overhang // stride) - first), -overhang % stride)


def _taken_apart(kernel: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Returns the kernel of the convolution, (stride * stride * channels, rows, columns, inputs).

    The layer's is (rows, columns, inputs, channels), and flipped.
    """
    kernel = np.pad(kernel[::-1, ::-1], ((0, 1), (0, 1), (0, 0), (0, 0)))  # place -1 is zero
    apart = kernel[rows[:, :, None, None], columns[None, None, :, :]]
    # (rows, row of the block, columns, column of the block, inputs, channels)
    apart = apart.transpose(1, 3, 5, 0, 2, 4)
    return np.ascontiguousarray(apart.reshape(-1, *apart.shape[3:]))


def _pixels(layer: Any, writer: Any, blocks: int, output: int, surplus: tuple[int, int]) -> None:
    """Lays the channels of blocks out as pixels."""
    name, (down, _) = layer.name, layer.strides
    _, rows, columns, channels = writer.shape(blocks)
    if down > 1:
        # The rows of a block, one after another, beside each other: so they lie in memory.
        last = writer.constant(f"{name}/channels", np.array(3, "int32"))
        shape = [None, rows, columns, channels // down]
        pieces = [writer.like(blocks, f"{name}/row_{row}", shape) for row in range(down)]
        split, joined = schema.SplitOptionsT(), schema.ConcatenationOptionsT()
        split.numSplits, joined.axis = down, 2
        writer.buffer.operator("SPLIT", [last, blocks], pieces, split, version=2)
        wide = None if columns is None else columns * down
        rowwise = writer.like(blocks, f"{name}/rows", [None, rows, wide, channels // down])
        writer.buffer.operator("CONCATENATION", pieces, [rowwise], joined, version=2)
    else:
        rowwise = blocks
    sizes = [
        None if size is None else size + more
        for size, more in zip(writer.shape(output)[1:3], surplus, strict=True)
    ]
    whole = [None, *sizes, layer.filters]
    pixels = writer.like(output, f"{name}/pixels", whole) if any(surplus) else output
    known = _shape_of_pixels(layer, writer, blocks, whole)
    writer.buffer.operator("RESHAPE", [rowwise, known], [pixels], schema.ReshapeOptionsT())
    if any(surplus):
        _cut(layer, writer, pixels, output, surplus)


def _shape_of_pixels(layer: Any, writer: Any, blocks: int, shape: list[int | None]) -> int:
    """Returns the tensor of the shape of an image, computed in the file if sizes are not known."""
    name = layer.name
    if None not in shape[1:]:
        return writer.constant(f"{name}/shape", np.array([-1, *shape[1:]], "int32"))
    factors = writer.constant(f"{name}/factors", np.array([1, *layer.strides, 0], "int32"))
    channels = writer.constant(f"{name}/filters", np.array([0, 0, 0, layer.filters], "int32"))
    parts = ("sizes", "larger", "shape")
    sizes, larger, found = (writer.buffer.tensor(f"{name}/{p}", [4], "int32") for p in parts)
    options = schema.ShapeOptionsT()
    options.outType = schema.TensorType.INT32
    writer.buffer.operator("SHAPE", [blocks], [sizes], options)
    writer.buffer.operator("MUL", [sizes, factors], [larger], schema.MulOptionsT())
    writer.buffer.operator("ADD", [larger, channels], [found], schema.AddOptionsT())
    return found


def _cut(layer: Any, writer: Any, source: int, output: int, surplus: tuple[int, int]) -> None:
    """Takes the last rows and columns off an image."""
    values = ("begin", [0] * 4), ("end", [0, *(-more for more in surplus), 0]), ("step", [1] * 4)
    operands = [
        writer.constant(f"{layer.name}/{name}", np.array(value, "int32")) for name, value in values
    ]
    options = schema.StridedSliceOptionsT()
    options.beginMask = 0b1111
    # An end of 0 is that of the axis.
    options.endMask = sum(1 << axis for axis, end in enumerate(values[1][1]) if not end)
    writer.buffer.operator("STRIDED_SLICE", [source, *operands], [output], options, version=2)
