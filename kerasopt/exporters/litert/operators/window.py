"""The windows of convolutions and of pooling."""

from __future__ import annotations

from typing import Any

import numpy as np
from tensorflow.lite.python import schema_py_generated as schema


def set_steps(options: Any, layer: Any) -> None:
    """Sets the padding and the strides of a window."""
    same = layer.padding == "same"
    options.padding = schema.Padding.SAME if same else schema.Padding.VALID
    options.strideH, options.strideW = layer.strides


def set_window(options: Any, layer: Any) -> None:
    """Sets the padding, the strides and the dilation of a convolution."""
    set_steps(options, layer)
    options.dilationHFactor, options.dilationWFactor = layer.dilation_rate


def padded(layer: Any, writer: Any, source: int) -> int:
    """Returns what a convolution reads: LiteRT has no padding of so many pixels."""
    return source if isinstance(layer.padding, str) else pad(layer, writer, source, layer.padding)


def pad(layer: Any, writer: Any, source: int, rows_and_columns: Any) -> int:
    """Pads images with pixels before and after their rows and columns."""
    widths = ((0, 0), *rows_and_columns, (0, 0))
    shape = [
        None if size is None else size + sum(pads)
        for size, pads in zip(writer.shape(source), widths, strict=True)
    ]
    padded = writer.like(source, f"{layer.name}/padded", shape)
    constant = writer.constant(f"{layer.name}/widths", np.array(widths, "int32"))
    writer.buffer.operator("PAD", [source, constant], [padded], schema.PadOptionsT(), version=2)
    return padded
